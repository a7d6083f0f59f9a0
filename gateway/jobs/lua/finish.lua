-- The end of a job with what came of it: 1; 0 where the worker does not hold it any more; -1 where the result has
-- no room.
local id, fence, status, most_bytes, result = unpack(ARGV, 1, 5)
if not holds(id, fence) then
  return get(id, 'status') == status and get(id, 'fence') == fence and 1 or 0
end
if #result > 0 and counted('bytes') - redis.call('STRLEN', key('body', id)) + #result > tonumber(most_bytes) then
  return -1
end
if status == 'succeeded' then
  conclude(id, status, 'progress', 1, unpack(ARGV, 6))
else
  conclude(id, status, unpack(ARGV, 6))
end
redis.call('SET', key('result', id), result)
count('bytes', #result)
return 1
