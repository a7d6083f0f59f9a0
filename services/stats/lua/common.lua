-- things with a definition and, where one is asked for, a time to live; before it stand P, where they lie, and keys_of
local EXPIRING = P .. ':expiring' -- no id begins with a colon

local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1e6
end

local function forget(id)
  redis.call('SREM', P, id)
  redis.call('ZREM', EXPIRING, id)
  return redis.call('DEL', unpack(keys_of(id)))
end

-- false where there is none, or its time is over
local function definition_of(id)
  local due = redis.call('ZSCORE', EXPIRING, id)
  if due and tonumber(due) <= now() then
    forget(id)
  end
  return redis.call('HGET', P .. id, 'definition')
end

local function prolong(id)
  local ttl = redis.call('HGET', P .. id, 'ttl')
  if ttl then
    redis.call('ZADD', EXPIRING, now() + tonumber(ttl), id)
  end
end

-- a few of those whose time is over, at each write: no more than come due, in the long run
local function sweep()
  for _, id in ipairs(redis.call('ZRANGE', EXPIRING, '-inf', now(), 'BYSCORE', 'LIMIT', 0, 2)) do
    forget(id)
  end
end
