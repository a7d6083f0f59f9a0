-- Removes jobs that have expired; what there is.
sweep(tonumber(ARGV[1]))
return {counted('queued'), counted('running'), counted('bytes')}
