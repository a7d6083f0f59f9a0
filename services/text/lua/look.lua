-- id
used(ARGV[1])
return redis.call('HMGET', P .. ARGV[1], 'token', 'texts', 'words', 'grows', 'merges', 'digest')
