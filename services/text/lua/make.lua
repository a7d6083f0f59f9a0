-- id, digest of its first texts, a token of its own, these texts packed, their number, their words, whether it may
-- grow, ms it is kept after its last use or 0, the most corpora, the most bytes of all
local id, digest, blob = ARGV[1], ARGV[2], ARGV[4]
local known = redis.call('HGET', P .. id, 'digest')
if known then
  if known ~= digest then return 'other' end
  used(id)
  return 'same'
end
if full(1, #blob, tonumber(ARGV[9]), tonumber(ARGV[10])) then return 'full' end
redis.call('HSET', P .. id, 'digest', digest, 'token', ARGV[3], 'texts', ARGV[5], 'words', ARGV[6], 'grows', ARGV[7],
  'keep_ms', ARGV[8], 'merges', 0)
redis.call('DEL', P .. id .. ':texts', P .. id .. ':keys', P .. id .. ':meant')
redis.call('RPUSH', P .. id .. ':texts', blob)
redis.call('HSET', INDEX, id, #blob)
used(id)
return 'created'
