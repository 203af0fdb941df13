-- Holds names that a node has. KEYS: names. ARGV: node, life in ms; then session and token of each.
-- Returns for each: 1 if the node has it, 2 if its session went to another node, 0 if another session has it.
local held = {}
for i, key in ipairs(KEYS) do
  local session, token = ARGV[2 * i + 1], ARGV[2 * i + 2]
  local was = redis.call('HMGET', key, 'session', 'node', 'token')
  if not was[1] then
    redis.call('HSET', key, 'session', session, 'node', ARGV[1], 'token', token)
  end
  if not was[1] or (was[2] == ARGV[1] and was[3] == token) then
    redis.call('PEXPIRE', key, ARGV[2])
    held[i] = 1
  else
    -- A newer claim of this node's own is answered soon.
    held[i] = was[2] == ARGV[1] and 1 or was[1] == session and 2 or 0
  end
end
return held
