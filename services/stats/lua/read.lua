-- id; a script and no transaction, since a full Redis refuses to queue
local key = P .. ARGV[1]
local found = redis.call('HMGET', key, 'definition', 'base', 'token', 'merges')
found[5] = redis.call('LRANGE', key .. ':tail', 0, -1)
return found
