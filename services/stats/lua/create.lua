-- id, definition, a token of its own, the most aggregates there may be
local id, definition, token, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local known = redis.call('HGET', P .. id, 'definition')
if known then
  return known == definition and 'same' or 'other'
end
if redis.call('SCARD', P) >= most then
  return 'full'
end
redis.call('SADD', P, id)
redis.call('HSET', P .. id, 'definition', definition, 'token', token, 'base', '', 'merges', 0, 'bytes', 0)
return 'created'
