-- Goes before each script. A job's state changes in these scripts alone: each change is whole and has one winner.
--
-- vernier:jobs:job:ID      hash    what a client sees of it, its request without the body, and entry: its place in
--                                  the queue; fence: which beginning of it counts; seq: its last event
-- vernier:jobs:body:ID     string  the request's body, until the job has ended
-- vernier:jobs:result:ID   string  the answer's body
-- vernier:jobs:events:ID   stream  what a client saw after each change, under the id seq-0
-- vernier:jobs:key:DIGEST  string  the job that an Idempotency-Key made
-- vernier:jobs:queue:SERVICE stream, read by the group `workers`
-- vernier:jobs:expiry      zset    ended jobs by when they go
-- vernier:jobs:counts      hash    queued, running, bytes
--
-- None has a TTL: what has none is never evicted. `sweep` removes what has expired. Each script may be run again with
-- the same arguments, where its reply was lost: it then does nothing and says the same.

local PREFIX, GROUP, CONSUMER = 'vernier:jobs:', 'workers', 'worker'
local EVENTS = 512
local SEEN = {'status', 'progress', 'attempts', 'started', 'finished', 'expires', 'error'}
local FINAL = {succeeded = true, failed = true, cancelled = true}

local function key(kind, id)
  return PREFIX .. kind .. ':' .. id
end

local function get(id, field)
  return redis.call('HGET', key('job', id), field)
end

local function count(name, change)
  redis.call('HINCRBY', PREFIX .. 'counts', name, string.format('%d', change)) -- Lua writes -0, which is no integer
end

local function counted(name)
  return tonumber(redis.call('HGET', PREFIX .. 'counts', name) or 0)
end

local function seconds()
  local time = redis.call('TIME')
  return time[1] + time[2] / 1e6
end

local function stamp(time)
  return string.format('%.3f', time)
end

-- A server that is full refuses a script's first write only: what was accepted is seen through to its end.
local function insist()
  redis.call('DEL', PREFIX .. 'nothing')
end

local function publish(id, ...)
  redis.call('HSET', key('job', id), ...)
  local seq = redis.call('HINCRBY', key('job', id), 'seq', 1)
  local event = {}
  for n, value in ipairs(redis.call('HMGET', key('job', id), unpack(SEEN))) do
    if value then
      event[#event + 1] = SEEN[n]
      event[#event + 1] = value
    end
  end
  redis.call('XADD', key('events', id), 'MAXLEN', '~', EVENTS, seq .. '-0', unpack(event))
end

local function leave_queue(id)
  local queue, entry = key('queue', get(id, 'service')), get(id, 'entry')
  redis.call('XACK', queue, GROUP, entry)
  redis.call('XDEL', queue, entry)
end

local function drop_body(id)
  count('bytes', -redis.call('STRLEN', key('body', id)))
  redis.call('DEL', key('body', id))
end

-- The one way to an end: `status` is final from here on.
local function conclude(id, status, ...)
  insist()
  local now = seconds()
  local expires = now + tonumber(get(id, 'ttl'))
  count(get(id, 'status'), -1)
  leave_queue(id)
  drop_body(id)
  redis.call('ZADD', PREFIX .. 'expiry', expires, id)
  publish(id, 'status', status, 'finished', stamp(now), 'expires', stamp(expires), ...)
end

local function purge(id)
  local known = get(id, 'key')
  if known and redis.call('GET', key('key', known)) == id then
    redis.call('DEL', key('key', known))
  end
  count('bytes', -redis.call('STRLEN', key('result', id)))
  redis.call('DEL', key('job', id), key('result', id), key('events', id))
  redis.call('ZREM', PREFIX .. 'expiry', id)
end

local function sweep(most)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'expiry', '-inf', seconds(), 'LIMIT', 0, most)) do
    purge(id)
  end
end

-- Whether the worker that holds `fence` is still the one that counts.
local function holds(id, fence)
  return get(id, 'status') == 'running' and get(id, 'fence') == fence
end
