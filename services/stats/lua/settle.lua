-- id, its token, how often it was merged before, the merged state, of how many states of the tail, and their bytes
local id, token, merges, base = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = P .. id
local found = redis.call('HMGET', key, 'token', 'merges')
if found[1] ~= token or found[2] ~= merges then
  return 0
end
redis.call('HSET', key, 'base', base)
redis.call('HINCRBY', key, 'merges', 1)
redis.call('HINCRBY', key, 'bytes', -tonumber(ARGV[6]))
redis.call('LTRIM', key .. ':tail', tonumber(ARGV[5]), -1)
return 1
