local P = 'vernier:streams:'

local function keys_of(id)
  return {P .. id, P .. id .. ':seen'}
end
