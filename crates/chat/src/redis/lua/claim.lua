-- Takes a name for a session, from another node too.
-- KEYS: name. ARGV: session, node, proved, life in ms, prefix of the nodes' channels, folded name.
-- Returns {0} if another session has it, or {1, token}; later tokens are larger.
local was = redis.call('HMGET', KEYS[1], 'session', 'node', 'token')
if was[1] and was[1] ~= ARGV[1] and ARGV[3] == '0' then return {0} end
local now = redis.call('TIME')
local token = math.max(tonumber(now[1]) * 1000000 + tonumber(now[2]), tonumber(was[3] or 0) + 1)
local text = string.format('%.0f', token)
redis.call('HSET', KEYS[1], 'session', ARGV[1], 'node', ARGV[2], 'token', text)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if was[2] and was[2] ~= ARGV[2] then
  redis.call('PUBLISH', ARGV[5] .. was[2], 'x ' .. text .. ' ' .. ARGV[6])
end
return {1, token}
