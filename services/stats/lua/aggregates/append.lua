-- id, the definition that the state was made for, the state, key or '', what the key stands for, seconds that keys are
-- kept, the most keys, the shard
local id, definition, state, key, meant = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local keep_s, most, shard = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
sweep()
local known = definition_of(id)
if known ~= definition then
  return {known and 'changed' or 'unknown', 0, 0}
end
if key ~= '' then
  local keys, meanings, time = P .. id .. ':keys', P .. id .. ':meant', now()
  local old = redis.call('ZRANGE', keys, '-inf', time - keep_s, 'BYSCORE', 'LIMIT', 0, 1000)
  if #old > 0 then
    redis.call('ZREM', keys, unpack(old))
    redis.call('HDEL', meanings, unpack(old))
  end
  local before = redis.call('HGET', meanings, key)
  if before then
    return {before == meant and 'repeated' or 'other', 0, 0}
  end
  if redis.call('ZCARD', keys) >= most then
    return {'crowded', 0, 0}
  end
  redis.call('ZADD', keys, time, key)
  redis.call('HSET', meanings, key, meant)
end
prolong(id)
local length = redis.call('RPUSH', P .. id .. part(':tail', shard), state)
return {'added', length, redis.call('HINCRBY', P .. id, part('bytes', shard), #state)}
