-- id, its token, the shard, how often that was merged before, the merged state, of how many states of its tail, and
-- their bytes
local id, token, shard, merges, base = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key = P .. id
local found = redis.call('HMGET', key, 'token', part('merges', shard))
if found[1] ~= token or (found[2] or '0') ~= merges then
  return 0
end
redis.call('HSET', key, part('base', shard), base)
redis.call('HINCRBY', key, part('merges', shard), 1)
redis.call('HINCRBY', key, part('bytes', shard), -tonumber(ARGV[7]))
redis.call('LTRIM', key .. part(':tail', shard), tonumber(ARGV[6]), -1)
return 1
