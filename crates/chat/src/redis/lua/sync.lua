-- Tells a node what it has missed of a room, and keeps the room alive.
-- KEYS: log, meta, ids, said, nodes.
-- ARGV: epoch and last of the node, or 0; run; an epoch for a room that is new; most entries; life in ms; jump; node;
-- life of presence in ms; prefix of the nodes' members; life of a topic in ms; then each node and the version of its members that is known.
-- Returns {0} if the room is lost and the node has its history; or {1, epoch, last, topic, version of this node's
-- members, {id, entry, ...}, {node, version, {nick, state, ...}, ...}, {offset, time, identity, ...}}, where members that
-- are known are left out. The last are the entries that are kept no longer and may be sent again, for a node that opens the
-- room: it can give Redis all of the room, should that lose it.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'last', 'run', 'topic')
local epoch, last = meta[1], tonumber(meta[2] or 0)
if not epoch then
  if ARGV[1] ~= '0' then return {0} end
  redis.call('DEL', KEYS[1], KEYS[3], KEYS[4])
  epoch = ARGV[4]
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'last', 0, 'run', ARGV[3])
elseif meta[3] ~= ARGV[3] then
  -- Redis was started again, and may have lost its last entries: their offsets are not given twice.
  last = last + tonumber(ARGV[7])
  redis.call('HSET', KEYS[2], 'last', string.format('%.0f', last), 'run', ARGV[3])
end
local known = epoch == ARGV[1]
if known and tonumber(ARGV[2]) > last then
  last = tonumber(ARGV[2]) + tonumber(ARGV[7])
  redis.call('HSET', KEYS[2], 'last', string.format('%.0f', last))
end
local rows, said = {}, {}
if known then
  if tonumber(ARGV[2]) < last then
    rows = redis.call('XRANGE', KEYS[1], '(' .. ARGV[2] .. '-0', '+', 'COUNT', ARGV[5])
  end
else
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[5])
  for i = #newest, 1, -1 do rows[#rows + 1] = newest[i] end
  for _, one in ipairs(redis.call('LRANGE', KEYS[4], 0, -1)) do
    local time, identity = string.match(one, '^(%d+) (.*)$')
    local offset = redis.call('HGET', KEYS[3], identity)
    if offset then
      said[#said + 1] = offset
      said[#said + 1] = time
      said[#said + 1] = identity
    end
  end
end
local entries = {}
for _, row in ipairs(rows) do
  entries[#entries + 1] = row[1]
  entries[#entries + 1] = row[2][6]
end
for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[6]) end
if (meta[4] or '') ~= '' then redis.call('PEXPIRE', KEYS[2], ARGV[11]) end
-- The members.
local versions = {}
for i = 12, #ARGV, 2 do versions[ARGV[i]] = ARGV[i + 1] end
local own, nodes = '', {}
for _, node in ipairs(redis.call('SMEMBERS', KEYS[5])) do
  local key = ARGV[10] .. node
  local version = redis.call('HGET', key, '')
  if not version then
    redis.call('SREM', KEYS[5], node)
  elseif node == ARGV[8] then
    own = version
    redis.call('PEXPIRE', key, ARGV[9])
  else
    nodes[#nodes + 1] = node
    nodes[#nodes + 1] = version
    nodes[#nodes + 1] = versions[node] == version and 0 or redis.call('HGETALL', key)
  end
end
redis.call('PEXPIRE', KEYS[5], ARGV[6])
return {1, epoch, string.format('%.0f', last), meta[4] or '', own, entries, nodes, said}
