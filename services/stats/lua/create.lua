-- id, definition, a token of its own, the most there may be, seconds to live after the last addition or ''
local id, definition, token, most, ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local key = P .. id
sweep()
local known = definition_of(id)
if known and known ~= definition then
  return 'other'
end
if not known then
  if redis.call('SCARD', P) >= most then
    return 'full'
  end
  redis.call('SADD', P, id)
  redis.call('HSET', key, 'definition', definition, 'token', token)
end
if ttl == '' then
  redis.call('HDEL', key, 'ttl')
  redis.call('ZREM', EXPIRING, id)
else
  redis.call('HSET', key, 'ttl', ttl)
  prolong(id)
end
return known and 'same' or 'created'
