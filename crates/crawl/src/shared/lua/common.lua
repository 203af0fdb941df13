-- What all scripts of a crawl begin with. KEYS[1] is the prefix of its keys, ARGV[1] a session, ARGV[2] the crawl's number
-- and, but for those that join or come back, the number of the session's connection.
--   meta      what the crawl is, its manners, its counters      pages     address -> record
--   q:ORIGIN  addresses that wait, by level and number          e:ORIGIN  errands: requests for robots.txt
--   h:ORIGIN  when and how a host may be asked                  ready     origins that may be asked, by when
--   waiting   what is tried again, by when                      later:N   origins with entries of a level to come
--   sessions  by when their leases end                          s:, held: a session, and its claims
--   processes, p:, out:  processes, and the outputs of each     totals, levels, causes, scope, hungry
--   unreachable  origins to which no connection could be made
-- A record is "fate status depth hops tries priority number parent cause". A claim is "kind state payload": kind p is a
-- page by its address, r an errand "origin hops tries waits address"; state 0 waits for its start, 1 is under way, 2 has ended.
local P, S = KEYS[1], ARGV[1]
local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local meta, per_host, lease, level, by_level
local touched = {}
local LEVEL = 68719476736

local function read_meta()
  local row = call('HMGET', P .. 'meta', 'id', 'per_host', 'delay', 'lease', 'level', 'by_level', 'pages', 'obey')
  if not row[1] then return false end
  meta = {id = row[1], delay = tonumber(row[3]), pages = tonumber(row[7]), obey = row[8] == '1'}
  per_host, lease, level, by_level = tonumber(row[2]), tonumber(row[4]), tonumber(row[5]), row[6] == '1'
  return true
end

-- Whether the crawl is there, the session's lease is held, and the call is of its newest connection.
local function refused()
  local id, link = string.match(ARGV[2], '^(.*)/(%d+)$')
  if not read_meta() or meta.id ~= id then return {'GONE'} end
  if not call('ZSCORE', P .. 'sessions', S) then return {'LOST'} end
  if call('HGET', P .. 's:' .. S, 'link') ~= link then return {'STALE'} end
end

local function whole(number) return string.format('%.0f', number) end

local function origin_of(address) return string.match(address, '^%a+://[^/]+') end

local function level_of(depth) return by_level and math.min(tonumber(depth), 65535) or 0 end

local function queue(address, depth, number)
  local origin, at = origin_of(address), level_of(depth)
  if call('HSETNX', P .. 'h:' .. origin, 'next_at', '0') == 1 then call('HINCRBY', P .. 'totals', 'hosts', 1) end
  call('ZADD', P .. 'q:' .. origin, whole(at * LEVEL + number), address)
  if at > level then call('SADD', P .. 'later:' .. at, origin) end
  touched[origin] = true
end

-- Puts a claim's payload back to where it was claimed from.
local function queue_again(kind, payload)
  if kind == 'p' then
    local record = call('HGET', P .. 'pages', payload)
    local depth, number = string.match(record, '^%d+ %d+ (%d+) %d+ %d+ %d+ (%d+)')
    queue(payload, depth, number)
  else
    local origin = origin_of(string.match(payload, '%S+$'))
    call('LPUSH', P .. 'e:' .. origin, payload)
    touched[origin] = true
  end
end

-- The request of a claim has ended, or never was sent.
local function release(session, origin, state)
  if state == '2' then return end
  local h = P .. 'h:' .. origin
  call('HINCRBY', h, 'flight', -1)
  if state == '0' then call('HINCRBY', h, 'unstarted', -1) end
  if call('HINCRBY', h, 'of:' .. session, -1) <= 0 then call('HDEL', h, 'of:' .. session) end
  touched[origin] = true
end

local function parse(claim)
  local kind, state, payload = string.match(claim, '^(%a) (%d) (.*)$')
  return kind, state, payload, origin_of(string.match(payload, '%S+$'))
end

-- Takes a claim from a session. Returns what it was.
local function unclaim(session, id, claim)
  local kind, state, payload, origin = parse(claim)
  release(session, origin, state)
  call('HDEL', P .. 'held:' .. session, id)
  if kind == 'p' then call('HINCRBY', P .. 'totals', 'held', -1) end
  return kind, payload, origin
end

local function pace(host) return math.max(meta.delay, tonumber(host[1] or 0)) + tonumber(host[2] or 0) end

-- A request of a host may have been sent so many ms ago: the next one has its time after it.
local function keep_pace(origin, ago)
  local h = P .. 'h:' .. origin
  local host = call('HMGET', h, 'delay', 'slowed', 'next_at')
  call('HSET', h, 'next_at', whole(math.max(tonumber(host[3] or 0), now + 1 - ago + pace(host))))
end

-- Ends a session: what it holds waits again. A request whose start was not told may have been sent just now.
local function bury(session)
  local held = call('HGETALL', P .. 'held:' .. session)
  for i = 1, #held, 2 do
    local _, state, _, origin = parse(held[i + 1])
    if state == '0' then keep_pace(origin, 0) end
    local kind, payload = unclaim(session, held[i], held[i + 1])
    queue_again(kind, payload)
  end
  call('DEL', P .. 'held:' .. session, P .. 's:' .. session)
  call('ZREM', P .. 'sessions', session)
  call('ZREM', P .. 'hungry', session)
end

-- Another run of the server may have forgotten what it has acknowledged, so numbers jump, and leases begin anew.
local function look_at_run(run)
  if call('HGET', P .. 'meta', 'run') == run then return end
  call('HSET', P .. 'meta', 'run', run)
  call('HINCRBY', P .. 'meta', 'claims', 1048576)
  for _, session in ipairs(call('ZRANGE', P .. 'sessions', 0, -1)) do
    call('ZADD', P .. 'sessions', now + lease, session)
  end
end

-- Lists the hosts that have changed by when they may be asked.
local function list_touched()
  for origin in pairs(touched) do
    local host = call('HMGET', P .. 'h:' .. origin, 'next_at', 'flight', 'unstarted', 'rules')
    local at = false
    if tonumber(host[2] or 0) < per_host and tonumber(host[3] or 0) == 0 then
      at = call('EXISTS', P .. 'e:' .. origin) == 1
      if not at and host[4] ~= 'asked' then
        local first = call('ZRANGE', P .. 'q:' .. origin, 0, 0, 'WITHSCORES')
        at = first[2] and tonumber(first[2]) < (level + 1) * LEVEL
      end
    end
    if at then
      call('ZADD', P .. 'ready', host[1] or 0, origin)
    else
      call('ZREM', P .. 'ready', origin)
    end
  end
  touched = {}
end

