-- id, the shard that is wanted or '' for all; a script and no transaction, since a full Redis refuses to queue
local id, wanted = ARGV[1], ARGV[2]
local key = P .. id
if not definition_of(id) then
  return false
end
local shards = {}
for shard = 0, SHARDS - 1 do
  if wanted == '' or tonumber(wanted) == shard then
    local found = redis.call('HMGET', key, part('base', shard), part('merges', shard))
    local tail = redis.call('LRANGE', key .. part(':tail', shard), 0, -1)
    shards[#shards + 1] = {found[1] or '', found[2] or '0', tail}
  end
end
local head = redis.call('HMGET', key, 'definition', 'token', 'ttl')
return {head[1], head[2], head[3] or '', shards}
