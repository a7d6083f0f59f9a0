-- prefix, seconds for which what is claimed is no one else's, the most items; all that are due, id and item in turn
local p = ARGV[1]
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local found = {}
for _, id in ipairs(redis.call('ZRANGE', p .. 'due', '-inf', now, 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[3]))) do
  redis.call('ZADD', p .. 'due', string.format('%.6f', now + tonumber(ARGV[2])), id)
  found[#found + 1] = id
  found[#found + 1] = redis.call('HGET', p .. 'items', id)
end
return found
