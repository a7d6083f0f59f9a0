-- id
redis.call('HDEL', INDEX, ARGV[1])
return redis.call('DEL', unpack(parts(ARGV[1])))
