-- id
local known = definition_of(ARGV[1])
forget(ARGV[1])
return known and 1 or 0
