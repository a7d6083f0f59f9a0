-- Its service broke off: 1 where the worker, who holds the job, begins it for the time of that number.
local id, fence, number = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not holds(id, fence) then
  return 0
end
if tonumber(get(id, 'attempts')) < number then
  insist()
  publish(id, 'attempts', number)
end
return 1
