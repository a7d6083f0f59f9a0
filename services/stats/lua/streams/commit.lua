-- id, its token, the version that the state was made of, the state, how much is kept of what was seen, then what was seen
local id, token, version, state, most = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
sweep()
if not definition_of(id) then
  return 0
end
local found = redis.call('HMGET', P .. id, 'token', 'version')
if found[1] ~= token or (found[2] or '0') ~= version then
  return 0
end
redis.call('HSET', P .. id, 'state', state)
redis.call('HINCRBY', P .. id, 'version', 1)
for k = 6, #ARGV do
  redis.call('RPUSH', P .. id .. ':seen', ARGV[k])
end
redis.call('LTRIM', P .. id .. ':seen', -most, -1)
prolong(id)
return 1
