-- Gives a lost room the history that a node has. What other nodes had beyond it is lost, so that the offsets jump.
-- KEYS: log, meta, ids. ARGV: epoch, last, run, topic, life in ms, channel; then offset, identity, time, entry.
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('DEL', KEYS[1], KEYS[3])
for i = 7, #ARGV, 4 do
  redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'i', ARGV[i + 1], 't', ARGV[i + 2], 'e', ARGV[i + 3])
  redis.call('HSET', KEYS[3], ARGV[i + 1], ARGV[i])
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'last', ARGV[2], 'run', ARGV[3], 'topic', ARGV[4])
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
redis.call('PUBLISH', ARGV[6], 'r')
return 1
