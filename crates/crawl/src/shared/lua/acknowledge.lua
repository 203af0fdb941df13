-- Records what came of claims, with the links that were found. All of it or nothing; refused if a claim is lost.
-- ARGV: session, number, batch, run of the server, and how many there are of each; then for
--   links: address, fate, depth, hops, priority, parent, cause     done: claim, address, fate, depth, record
--   rules: claim, origin, text, delay, ms that they count, whether there was no answer     counts: field, number
--   causes: cause, number     scope: address     outputs: name, length     and the number of rows.
-- Batch 0 has links alone, which are found again if the batch that they belong to is not acknowledged. If the server's run
-- is another one, it may have forgotten those: nothing is recorded, and {"OK", run} is returned.
local refusal = refused()
if refusal then return refusal end
local batch = tonumber(ARGV[3])
local count = {}
for i = 5, 11 do count[i - 4] = tonumber(ARGV[i]) end
local begin, stride = {12}, {7, 5, 6, 2, 2, 1, 2}
for i = 1, 7 do begin[i + 1] = begin[i] + count[i] * stride[i] end
local function each(what, act)
  for i = begin[what], begin[what + 1] - 1, stride[what] do act(i) end
end
local session = call('HMGET', P .. 's:' .. S, 'batch', 'process')
if batch > 0 and batch <= tonumber(session[1]) then return {'OK'} end
local lost = false
local function look(i) lost = lost or call('HEXISTS', P .. 'held:' .. S, ARGV[i]) == 0 end
each(2, look)
each(3, look)
if lost then return {'LOST'} end
local run = call('HGET', P .. 'meta', 'run')
if run ~= ARGV[4] then return {'OK', run} end

local T = P .. 'totals'
local function counted(depth, by)
  local at = level_of(depth)
  if call('HINCRBY', P .. 'levels', at, by) == 0 then call('HDEL', P .. 'levels', at) end
end
local function put(i, number)
  local fate, depth = ARGV[i + 1], ARGV[i + 2]
  call('HSET', P .. 'pages', ARGV[i], table.concat({fate, '0', depth, ARGV[i + 3], '0', ARGV[i + 4], number, ARGV[i + 5],
    ARGV[i + 6]}, ' '))
  call('HINCRBY', T, 'f' .. fate, 1)
  if fate == '0' then
    queue(ARGV[i], depth, number)
    counted(depth, 1)
  end
end
-- A redirect leads to what is known, but deeper: it is as deep as the redirect from now on, unless it is claimed.
local function lift(i, record)
  local fate, depth, number = string.match(record, '^(%d+) %d+ (%d+) %d+ %d+ %d+ (%d+)')
  if (fate ~= '0' and fate ~= '5') or tonumber(depth) <= tonumber(ARGV[i + 2]) then return end
  if fate == '0' then
    if call('ZREM', P .. 'q:' .. origin_of(ARGV[i]), ARGV[i]) == 0 then return end
    counted(depth, -1)
  end
  call('HINCRBY', T, 'f' .. fate, -1)
  put(i, number)
end
each(1, function(i)
  local record = call('HGET', P .. 'pages', ARGV[i])
  if not record then
    put(i, call('HINCRBY', P .. 'meta', 'number', 1))
  elseif string.sub(record, 1, 2) == '4 ' and ARGV[i + 1] ~= '4' then
    -- A redirect of a seed has widened the scope since it was found.
    call('HINCRBY', T, 'f4', -1)
    put(i, call('HINCRBY', P .. 'meta', 'number', 1))
  elseif by_level and ARGV[i + 3] ~= '0' and ARGV[i + 1] == '0' then
    lift(i, record)
  end
end)
each(2, function(i)
  unclaim(S, ARGV[i], call('HGET', P .. 'held:' .. S, ARGV[i]))
  call('HSET', P .. 'pages', ARGV[i + 1], ARGV[i + 4])
  call('HINCRBY', T, 'f0', -1)
  call('HINCRBY', T, 'f' .. ARGV[i + 2], 1)
  counted(ARGV[i + 3], -1)
end)
each(3, function(i)
  unclaim(S, ARGV[i], call('HGET', P .. 'held:' .. S, ARGV[i]))
  local h = P .. 'h:' .. ARGV[i + 1]
  call('HSET', h, 'rules', 'known', 'until', whole(now + tonumber(ARGV[i + 4])))
  -- Without an answer, the rules before go on.
  if ARGV[i + 5] == '0' or call('HEXISTS', h, 'robots') == 0 then
    call('HSET', h, 'robots', ARGV[i + 2], 'delay', ARGV[i + 3], 'learned', whole(now))
  end
  touched[ARGV[i + 1]] = true
end)
each(4, function(i) call('HINCRBY', T, ARGV[i], ARGV[i + 1]) end)
each(5, function(i) call('HINCRBY', P .. 'causes', ARGV[i], ARGV[i + 1]) end)
each(6, function(i) call('RPUSH', P .. 'scope', ARGV[i]) end)
if batch > 0 then
  each(7, function(i) call('HSET', P .. 'out:' .. session[2], ARGV[i], ARGV[i + 1]) end)
  call('HSET', P .. 'p:' .. session[2], 'rows', ARGV[begin[8]])
  call('HSET', P .. 's:' .. S, 'batch', ARGV[3])
end
call('ZADD', P .. 'sessions', now + lease, S)
list_touched()
return {'OK'}
