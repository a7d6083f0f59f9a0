-- id, its token, how often it was merged before, of how many pieces the merged one is, it, the bytes they had
local id, count, blob = ARGV[1], tonumber(ARGV[4]), ARGV[5]
local token, merges = unpack(redis.call('HMGET', P .. id, 'token', 'merges'))
if token ~= ARGV[2] or merges ~= ARGV[3] then return 0 end
redis.call('LTRIM', P .. id .. ':texts', count, -1)
redis.call('LPUSH', P .. id .. ':texts', blob)
redis.call('HINCRBY', P .. id, 'merges', 1)
redis.call('HINCRBY', INDEX, id, #blob - tonumber(ARGV[6]))
used(id)
return 1
