-- id
return definition_of(ARGV[1])
