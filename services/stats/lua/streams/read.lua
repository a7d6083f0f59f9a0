-- id, '1' for what was seen, too
local id = ARGV[1]
if not definition_of(id) then
  return false
end
local found = redis.call('HMGET', P .. id, 'definition', 'token', 'ttl', 'version', 'state')
local seen = ARGV[2] == '1' and redis.call('LRANGE', P .. id .. ':seen', 0, -1) or {}
return {found[1], found[2], found[3] or '', found[4] or '0', found[5] or '', seen}
