-- prefix, id; whether it was still there
local p, id = ARGV[1], ARGV[2]
local item = redis.call('HGET', p .. 'items', id)
if not item then
  return 0
end
redis.call('HDEL', p .. 'items', id)
redis.call('ZREM', p .. 'due', id)
redis.call('DECRBY', p .. 'bytes', #item)
return 1
