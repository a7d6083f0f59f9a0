local id = ARGV[1]
redis.call('SREM', P, id)
return redis.call('DEL', P .. id, P .. id .. ':tail', P .. id .. ':keys', P .. id .. ':meant') > 0 and 1 or 0
