-- prefix, id, item, the most items, the most bytes
local p, id, item = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HEXISTS', p .. 'items', id) == 1 then
  return 'kept'
end
local bytes = tonumber(redis.call('GET', p .. 'bytes') or '0')
if redis.call('HLEN', p .. 'items') >= tonumber(ARGV[4]) or bytes + #item > tonumber(ARGV[5]) then
  return 'full'
end
redis.call('HSET', p .. 'items', id, item)
redis.call('INCRBY', p .. 'bytes', #item)
redis.call('ZADD', p .. 'due', 0, id)
return 'kept'
