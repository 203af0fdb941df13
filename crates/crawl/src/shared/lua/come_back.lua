-- Goes on with a session over a new connection. What was claimed by a call whose answer was lost waits again.
-- ARGV: session, number, run, number of the connection, the last batch that is known to be acknowledged; then the claims
-- that are known.
-- Returns {"OK", the last batch, claim that is not held, ...}.
if not read_meta() or meta.id ~= ARGV[2] then return {'GONE'} end
look_at_run(ARGV[3])
if not call('ZSCORE', P .. 'sessions', S) then return {'LOST'} end
local link, batch = unpack(call('HMGET', P .. 's:' .. S, 'link', 'batch'))
if tonumber(link) >= tonumber(ARGV[4]) then return {'STALE'} end
call('HSET', P .. 's:' .. S, 'link', ARGV[4])
if tonumber(batch) < tonumber(ARGV[5]) then
  bury(S)
  list_touched()
  return {'LOST'}
end
local known, reply = {}, {'OK', batch}
for i = 6, #ARGV do
  known[ARGV[i]] = true
  if call('HEXISTS', P .. 'held:' .. S, ARGV[i]) == 0 then reply[#reply + 1] = ARGV[i] end
end
local held = call('HGETALL', P .. 'held:' .. S)
for i = 1, #held, 2 do
  if not known[held[i]] then
    local kind, payload = unclaim(S, held[i], held[i + 1])
    queue_again(kind, payload)
  end
end
list_touched()
return reply
