-- Notes who of a node came to a room or left it, and tells the other nodes.
-- KEYS: the node's members, nodes. ARGV: node, version before, version, life in ms, channel, whether these are all;
-- then nick and state: h(ere), a(way), g(one).
local all = ARGV[6] == '1'
if all then redis.call('DEL', KEYS[1]) end
local changes = {}
for i = 7, #ARGV, 2 do
  changes[#changes + 1] = ' ' .. ARGV[i + 1] .. ARGV[i]
  if ARGV[i + 1] == 'g' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('HSET', KEYS[1], '', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('SADD', KEYS[2], ARGV[1])
if all then
  redis.call('PUBLISH', ARGV[5], 'P ' .. ARGV[1])
else
  redis.call('PUBLISH', ARGV[5], 'p ' .. ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3] .. table.concat(changes))
end
return 1
