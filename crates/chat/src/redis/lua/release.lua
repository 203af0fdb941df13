-- Gives a name free, if it is still this node's. KEYS: name. ARGV: node, token.
local was = redis.call('HMGET', KEYS[1], 'node', 'token')
if was[1] == ARGV[1] and was[2] == ARGV[2] then return redis.call('DEL', KEYS[1]) end
return 0
