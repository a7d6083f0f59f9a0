-- id, texts packed, their number, their words, the most words of a corpus, the most bytes of all, key or '', what the
-- key stands for, seconds that keys are kept, the most keys
local id, blob, texts, words, key, meant = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[7], ARGV[8]
local grows, held = unpack(redis.call('HMGET', P .. id, 'grows', 'words'))
if not grows then return {'unknown', 0} end
if grows == '0' then return {'fixed', 0} end
local keys, meanings, time = P .. id .. ':keys', P .. id .. ':meant', now()
if key ~= '' then
  local old = redis.call('ZRANGE', keys, '-inf', time - tonumber(ARGV[9]), 'BYSCORE', 'LIMIT', 0, 1000)
  if #old > 0 then
    redis.call('ZREM', keys, unpack(old))
    redis.call('HDEL', meanings, unpack(old))
  end
  local before = redis.call('HGET', meanings, key)
  if before then return {before == meant and 'repeated' or 'other', 0} end
  if redis.call('ZCARD', keys) >= tonumber(ARGV[10]) then return {'crowded', 0} end
end
if tonumber(held) + tonumber(words) > tonumber(ARGV[5]) then return {'large', 0} end
if full(0, #blob, 2 ^ 53, tonumber(ARGV[6])) then return {'full', 0} end
if key ~= '' then
  redis.call('ZADD', keys, time, key)
  redis.call('HSET', meanings, key, meant)
end
local length = redis.call('RPUSH', P .. id .. ':texts', blob)
redis.call('HINCRBY', P .. id, 'texts', texts)
redis.call('HINCRBY', P .. id, 'words', words)
redis.call('HINCRBY', INDEX, id, #blob)
used(id)
return {'added', length}
