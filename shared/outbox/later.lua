-- prefix, seconds, ids that are due only then
local p = ARGV[1]
local t = redis.call('TIME')
local due = string.format('%.6f', tonumber(t[1]) + tonumber(t[2]) / 1e6 + tonumber(ARGV[2]))
for i = 3, #ARGV do
  redis.call('ZADD', p .. 'due', 'XX', due, ARGV[i])
end
return 0
