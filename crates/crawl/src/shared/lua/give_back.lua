-- Gives claims back: those that are tried again later, and all of a process that leaves.
-- ARGV: session, number, whether the process leaves; then for each claim its id, the ms until it may be claimed again, its
-- new payload or "", its new record or "".
local refusal = refused()
if refusal then return refusal end
for i = 4, #ARGV, 4 do
  local claim = call('HGET', P .. 'held:' .. S, ARGV[i])
  if claim then
    local kind, payload = unclaim(S, ARGV[i], claim)
    if ARGV[i + 2] ~= '' then payload = ARGV[i + 2] end
    if ARGV[i + 3] ~= '' then call('HSET', P .. 'pages', payload, ARGV[i + 3]) end
    local after = tonumber(ARGV[i + 1])
    if after > 0 then
      call('ZADD', P .. 'waiting', whole(now + after), kind .. ' ' .. payload)
    else
      queue_again(kind, payload)
    end
  end
end
if ARGV[3] == '1' then
  local process = call('HGET', P .. 's:' .. S, 'process')
  call('HSET', P .. 'p:' .. process, 'left', '1')
  bury(S)
end
list_touched()
return {'OK'}
