-- Lets a process join the crawl, which is made if it is not there and there is no number of it to expect.
-- ARGV: session, number of the crawl that is expected or "", number for a new one, process, identity or "" for whatever it
-- is, manners, per host, delay, pages, lease, run, by level, obey robots, label, whether the process is known; then outputs.
-- Returns {"IN", number, identity, discovered, rows, output, length, ...}, or why not, with what is there.
local process = ARGV[4]
if not read_meta() then
  if ARGV[2] ~= '' then return {'GONE'} end
  if ARGV[5] == '' then return {'NONE'} end
  call('HSET', P .. 'meta', 'format', '1', 'id', ARGV[3], 'identity', ARGV[5], 'level', '0', 'by_level', ARGV[12],
    'obey', ARGV[13], 'began', now, 'run', ARGV[11], 'claims', '0', 'number', '0')
else
  local there = call('HMGET', P .. 'meta', 'format', 'identity', 'manners')
  if there[1] ~= '1' then return {'FORMAT', there[1] or ''} end
  if ARGV[2] ~= '' and ARGV[2] ~= meta.id then return {'GONE'} end
  if ARGV[5] ~= '' and ARGV[5] ~= there[2] then return {'IDENTITY', there[2]} end
  if ARGV[15] == '1' and call('SISMEMBER', P .. 'processes', process) == 0 then return {'FORGOTTEN'} end
  -- A process that is known has only the outputs that it began with.
  for i = 16, ARGV[15] == '1' and #ARGV or 0 do
    if call('HEXISTS', P .. 'out:' .. process, ARGV[i]) == 0 then return {'OUTPUT', ARGV[i]} end
  end
  look_at_run(ARGV[11])
  local before = call('HGET', P .. 'p:' .. process, 'session')
  if before then bury(before) end
  -- Only the leases that are held count.
  if call('ZCOUNT', P .. 'sessions', now, '+inf') == 0 then
    -- Nobody holds a lease, so this may be long after a host was given up.
    for _, origin in ipairs(call('SMEMBERS', P .. 'unreachable')) do call('HDEL', P .. 'h:' .. origin, 'unreachable') end
    call('DEL', P .. 'unreachable')
  elseif there[3] ~= ARGV[6] then
    list_touched()
    return {'MANNERS', there[3]}
  end
end
call('HSET', P .. 'meta', 'manners', ARGV[6], 'per_host', ARGV[7], 'delay', ARGV[8], 'pages', ARGV[9], 'lease', ARGV[10])
read_meta()
call('SADD', P .. 'processes', process)
call('HSET', P .. 'p:' .. process, 'session', S, 'label', ARGV[14])
call('HDEL', P .. 'p:' .. process, 'left')
call('HSET', P .. 's:' .. S, 'process', process, 'batch', '0', 'link', '0')
call('ZADD', P .. 'sessions', now + lease, S)
if ARGV[15] == '0' then
  for i = 16, #ARGV do call('HSET', P .. 'out:' .. process, ARGV[i], '0') end
end
list_touched()
local discovered = 0
for fate = 0, 6 do discovered = discovered + tonumber(call('HGET', P .. 'totals', 'f' .. fate) or 0) end
local reply = {'IN', meta.id, call('HGET', P .. 'meta', 'identity'), whole(discovered),
  call('HGET', P .. 'p:' .. process, 'rows') or '0'}
for _, text in ipairs(call('HGETALL', P .. 'out:' .. process)) do reply[#reply + 1] = text end
return reply
