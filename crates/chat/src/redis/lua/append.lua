-- Keeps entries of a room, gives them their offsets, and publishes them. All of them or none.
-- KEYS: log, meta, ids, said, and the name that has to be somebody's, if there is one.
-- ARGV: epoch, run, most entries, oldest time, life in ms, channel, life of a topic in ms, since when entries may be sent
-- again, the most of those that are kept no longer; then identity, time, topic ("-", or "=" and the text), entry.
-- Returns {0} if the room has begun anew, {1} if nobody has the name, {2, offset, ...}.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'run', 'last', 'topic')
if meta[1] ~= ARGV[1] or meta[2] ~= ARGV[2] then return {0} end
if KEYS[5] and redis.call('EXISTS', KEYS[5]) == 0 then return {1} end
local last, topic, reply = tonumber(meta[3]), meta[4] or '', {2}
for i = 10, #ARGV, 4 do
  local offset = redis.call('HGET', KEYS[3], ARGV[i])
  if not offset then
    last = last + 1
    offset = string.format('%.0f', last)
    redis.call('XADD', KEYS[1], offset .. '-0', 'i', ARGV[i], 't', ARGV[i + 1], 'e', ARGV[i + 3])
    redis.call('HSET', KEYS[3], ARGV[i], offset)
    if string.sub(ARGV[i + 2], 1, 1) == '=' then
      topic = string.sub(ARGV[i + 2], 2)
      redis.call('HSET', KEYS[2], 'topic', topic)
    end
    redis.call('PUBLISH', ARGV[6], 'm ' .. meta[1] .. ' ' .. offset .. ' ' .. ARGV[i + 3])
  end
  reply[#reply + 1] = tonumber(offset)
end
redis.call('HSET', KEYS[2], 'last', string.format('%.0f', last))
-- The identities outlive their entries, for as long as a client may send them again.
local length, gone = redis.call('XLEN', KEYS[1]), 0
repeat
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local old = first and (length - gone > tonumber(ARGV[3]) or tonumber(first[2][4]) < tonumber(ARGV[4]))
  if old then
    redis.call('RPUSH', KEYS[4], first[2][4] .. ' ' .. first[2][2])
    redis.call('XDEL', KEYS[1], first[1])
    gone = gone + 1
  end
until not old
local said = redis.call('LLEN', KEYS[4])
repeat
  local first = redis.call('LINDEX', KEYS[4], 0)
  local old = first and (said > tonumber(ARGV[9]) or tonumber(string.match(first, '^%d+')) < tonumber(ARGV[8]))
  if old then
    redis.call('HDEL', KEYS[3], string.match(first, ' (.*)$'))
    redis.call('LPOP', KEYS[4])
    said = said - 1
  end
until not old
for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
if topic ~= '' then redis.call('PEXPIRE', KEYS[2], ARGV[7]) end
return reply
