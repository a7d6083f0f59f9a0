-- Takes a job whose body has just been put under its id, with a TTL that ends here; or says why not.
local id, service, message, size, idempotency, digest = unpack(ARGV, 1, 6)
local most_queued, most_bytes, ttl, timeout = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], tonumber(ARGV[10])

local function refuse(...)
  redis.call('DEL', key('body', id))
  return {...}
end

if get(id, 'status') then
  return {'accepted', id}
end
sweep(10)
if idempotency ~= '' then
  local known = redis.call('GET', key('key', idempotency))
  if known then
    return refuse(get(known, 'digest') == digest and 'known' or 'other', known)
  end
end
if counted('queued') >= most_queued then
  return refuse('queued', counted('queued'))
elseif counted('bytes') + size > most_bytes then
  return refuse('bytes', counted('bytes'))
elseif redis.call('PERSIST', key('body', id)) == 0 then
  return refuse('evicted', 0)
end
local now = seconds()
local entry = redis.call('XADD', key('queue', service), '*', 'data', message)
redis.call('HSET', key('job', id), 'service', service, 'entry', entry, 'message', message, 'fence', '',
  'key', idempotency, 'digest', digest, 'ttl', ttl, 'deadline', stamp(now + timeout), 'created', stamp(now),
  unpack(ARGV, 11))
publish(id, 'status', 'queued', 'progress', 0, 'attempts', 0)
if idempotency ~= '' then
  redis.call('SET', key('key', idempotency), id)
end
count('queued', 1)
count('bytes', size)
return {'accepted', id}
