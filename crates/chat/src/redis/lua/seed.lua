-- Gives a lost room the history that a node has. What other nodes had beyond it is lost, so that the offsets jump.
-- KEYS: log, meta, ids, said.
-- ARGV: epoch, last, run, topic, life in ms, channel, life of a topic in ms; then offset, identity, time, entry, which is
-- empty if it is kept no longer.
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('DEL', KEYS[1], KEYS[3], KEYS[4])
for i = 8, #ARGV, 4 do
  if ARGV[i + 3] == '' then
    redis.call('RPUSH', KEYS[4], ARGV[i + 2] .. ' ' .. ARGV[i + 1])
  else
    redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'i', ARGV[i + 1], 't', ARGV[i + 2], 'e', ARGV[i + 3])
  end
  redis.call('HSET', KEYS[3], ARGV[i + 1], ARGV[i])
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'last', ARGV[2], 'run', ARGV[3], 'topic', ARGV[4])
for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
if ARGV[4] ~= '' then redis.call('PEXPIRE', KEYS[2], ARGV[7]) end
redis.call('PUBLISH', ARGV[6], 'r')
return 1
