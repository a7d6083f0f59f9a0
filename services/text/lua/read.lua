-- id; a script and no transaction, since a full Redis refuses to queue
return redis.call('LRANGE', P .. ARGV[1] .. ':texts', 0, -1)
