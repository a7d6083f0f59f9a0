local INDEX = 'vernier:text:corpora'
local P = INDEX .. ':'

local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1e6
end

local function parts(id)
  return {P .. id, P .. id .. ':texts', P .. id .. ':keys', P .. id .. ':meant'}
end

-- A corpus with a lifetime begins it anew.
local function used(id)
  local keep_ms = tonumber(redis.call('HGET', P .. id, 'keep_ms') or 0)
  if keep_ms > 0 then
    for _, key in ipairs(parts(id)) do
      redis.call('PEXPIRE', key, keep_ms)
    end
  end
end

-- Whether `corpora` more, and `bytes`, are too many; those that Redis has expired no longer count.
local function full(corpora, bytes, most, most_bytes)
  local count, total = 0, 0
  local known = redis.call('HGETALL', INDEX)
  for i = 1, #known, 2 do
    if redis.call('EXISTS', P .. known[i]) == 1 then
      count, total = count + 1, total + tonumber(known[i + 1])
    else
      redis.call('HDEL', INDEX, known[i])
    end
  end
  return count + corpora > most or total + bytes > most_bytes
end
