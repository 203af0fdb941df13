-- Tells how requests have begun and ended, renews the lease, and claims what may be sent now.
-- ARGV: session, number, the most requests that are wanted; then for each event its kind, its claim and a number of ms:
-- S: sent so long ago; w: answered well; s: the host wants to be left alone for so long, or -1; x: given up, since no
-- connection can be made; n: none of these; u: not sent.
-- Returns {"OK", ms until something is ready or -1, level, additions to the scope, {totals}, {claim, ...}}; a claim is
-- {id, kind, whether its start is told, whether its host is given up, when its rules were learned, payload, record}.
local refusal = refused()
if refusal then return refusal end

local function slow_down(h, host, wait)
  local slowed = math.min(math.max(tonumber(host[2] or 0) * 2, 250, math.max(meta.delay, tonumber(host[1] or 0)) / 2), 60000)
  local pause = wait < 0 and math.max(meta.delay, tonumber(host[1] or 0)) + slowed or math.min(wait, 600000)
  local next_at = math.max(tonumber(call('HGET', h, 'next_at') or 0), now + pause)
  call('HSET', h, 'slowed', whole(slowed), 'good', '0', 'next_at', whole(next_at))
end

local function answered_well(h, host)
  call('HDEL', h, 'unreachable')
  local slowed = tonumber(host[2] or 0)
  if slowed > 0 and call('HINCRBY', h, 'good', 1) >= 8 then
    slowed = slowed * 3 / 4
    if slowed < 62.5 then slowed = 0 end
    call('HSET', h, 'good', '0', 'slowed', whole(slowed))
  end
end

for i = 4, #ARGV, 3 do
  local kind, id, number = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local claim = call('HGET', P .. 'held:' .. S, id)
  -- A claim that has ended was told of by a call whose answer was lost, and counts once; or it never had a request.
  if claim and string.sub(claim, 3, 3) ~= '2' then
    local what, state, payload, origin = parse(claim)
    local h = P .. 'h:' .. origin
    local host = call('HMGET', h, 'delay', 'slowed')
    -- A connection was tried, and perhaps a request sent of which nothing is known.
    if kind == 'S' or (state == '0' and kind ~= 'u') then
      keep_pace(origin, kind == 'S' and number or 0)
      if state == '0' then
        call('HINCRBY', h, 'unstarted', -1)
        state = '1'
      end
      touched[origin] = true
    end
    if kind ~= 'S' then
      release(S, origin, state)
      state = '2'
      if kind == 'w' then answered_well(h, host) end
      if kind == 's' then slow_down(h, host, number) end
      if kind == 'x' then
        call('HINCRBY', h, 'unreachable', 1)
        call('SADD', P .. 'unreachable', origin)
      end
    end
    call('HSET', P .. 'held:' .. S, id, what .. ' ' .. state .. ' ' .. payload)
  end
end

call('ZADD', P .. 'sessions', now + lease, S)
for _, session in ipairs(call('ZRANGEBYSCORE', P .. 'sessions', '-inf', '(' .. now, 'LIMIT', 0, 16)) do bury(session) end
for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'waiting', '-inf', now, 'LIMIT', 0, 256)) do
  call('ZREM', P .. 'waiting', member)
  queue_again(string.match(member, '^(%a) (.*)$'))
end
if by_level and call('HEXISTS', P .. 'levels', level) == 0 then
  local first = false
  for _, other in ipairs(call('HKEYS', P .. 'levels')) do
    if not first or tonumber(other) < first then first = tonumber(other) end
  end
  if first and first > level then
    for at = level + 1, first do
      for _, origin in ipairs(call('SMEMBERS', P .. 'later:' .. at)) do touched[origin] = true end
      call('DEL', P .. 'later:' .. at)
    end
    level = first
    call('HSET', P .. 'meta', 'level', level)
  end
end
list_touched()

-- Pages of hosts that are given up take no worker, and are claimed so many at once.
local GIVEN_UP = 256
local want, claims, none = tonumber(ARGV[3]), {}, 0
local budget = math.huge
if meta.pages > 0 then
  local taken = call('HMGET', P .. 'totals', 'f1', 'held')
  budget = meta.pages - tonumber(taken[1] or 0) - tonumber(taken[2] or 0)
end

-- Returns what a host has to do next, or nothing.
local function take(origin, host)
  local errand = call('LPOP', P .. 'e:' .. origin)
  if errand then return 'r', errand end
  local known = not meta.obey or (host[6] == 'known' and tonumber(host[7] or 0) > now)
  if host[6] == 'asked' and meta.obey then return end
  local first = call('ZRANGE', P .. 'q:' .. origin, 0, 0, 'WITHSCORES')
  if not first[1] or tonumber(first[2]) >= (level + 1) * LEVEL then return end
  if not known then
    call('HSET', P .. 'h:' .. origin, 'rules', 'asked')
    host[6] = 'asked'
    return 'r', origin .. ' 0 0 0 ' .. origin .. '/robots.txt'
  end
  if budget <= 0 then return end
  call('ZREM', P .. 'q:' .. origin, first[1])
  budget = budget - 1
  return 'p', first[1]
end

local function claim_of(origin, most)
  local h = P .. 'h:' .. origin
  local host = call('HMGET', h, 'delay', 'slowed', 'flight', 'unstarted', 'unreachable', 'rules', 'until', 'learned', 'of:' .. S)
  local timed = pace(host) > 0
  local free = per_host - tonumber(host[3] or 0)
  if timed then free = math.min(free, 1 - tonumber(host[4] or 0)) end
  free = math.min(free, most - tonumber(host[9] or 0))
  while free > 0 and want > 0 and none < GIVEN_UP do
    local kind, payload = take(origin, host)
    if not kind then return end
    local number = call('HINCRBY', P .. 'meta', 'claims', 1)
    local given_up = kind == 'p' and tonumber(host[5] or 0) >= 5
    local state = given_up and '2' or timed and '0' or '1'
    call('HSET', P .. 'held:' .. S, number, kind .. ' ' .. state .. ' ' .. payload)
    if kind == 'p' then call('HINCRBY', P .. 'totals', 'held', 1) end
    if given_up then
      none = none + 1
    else
      call('HINCRBY', h, 'flight', 1)
      call('HINCRBY', h, 'of:' .. S, 1)
      if timed then call('HINCRBY', h, 'unstarted', 1) end
      free, want = free - 1, want - 1
    end
    claims[#claims + 1] = {whole(number), kind, state == '0' and '1' or '0', given_up and '1' or '0', host[8] or '',
      payload, kind == 'p' and call('HGET', P .. 'pages', payload) or ''}
  end
end

-- Of a host that several sessions want, each has its part.
local most = per_host
if want > 0 then
  call('ZREM', P .. 'hungry', S)
  local others = call('ZCOUNT', P .. 'hungry', now - 500, '+inf')
  if others > 0 then most = math.max(1, math.floor(per_host / (others + 1))) end
  for _, origin in ipairs(call('ZRANGEBYSCORE', P .. 'ready', '-inf', now, 'LIMIT', 0, 2 * want + 16)) do
    if want <= 0 or none >= GIVEN_UP then break end
    claim_of(origin, most)
    touched[origin] = true
  end
  list_touched()
  if want > 0 then call('ZADD', P .. 'hungry', now, S) end
end

local next_in = -1
for _, of in ipairs({'ready', 'waiting'}) do
  local first = call('ZRANGE', P .. of, 0, 0, 'WITHSCORES')
  if first[2] then
    local left = math.max(0, tonumber(first[2]) - now)
    if next_in < 0 or left < next_in then next_in = left end
  end
end
local totals = call('HMGET', P .. 'totals', 'f0', 'f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'redirects', 'requests',
  'robots_requests', 'bytes', 'hosts', 'held')
for i = 1, 13 do totals[i] = totals[i] or '0' end
totals[14] = whole(now - tonumber(call('HGET', P .. 'meta', 'began')))
return {'OK', whole(next_in), whole(level), whole(call('LLEN', P .. 'scope')), totals, claims}
