local P = 'vernier:aggregates:'

-- shard 0 has the plain name
local function part(name, shard)
  return tonumber(shard) == 0 and name or name .. ':' .. shard
end

local function keys_of(id)
  local keys = {P .. id, P .. id .. ':keys', P .. id .. ':meant'}
  for shard = 0, SHARDS - 1 do
    keys[#keys + 1] = P .. id .. part(':tail', shard)
  end
  return keys
end
