-- What is counted against limits, the same for all processes. One call holds every counter of one request.
--
-- KEYS  one per counter: a hash of units per bucket of time, or a sorted set of leases by their end (ms)
-- ARGV  take | add, then four per counter:
--       most    units allowed in the window, or leases at once
--       bucket  ms; a window is BUCKETS of them. 0: leases
--       what    units to count; of a lease its token
--       needs   units that must be free; of a lease how long it holds (ms)
--       take: counts everything, or nothing when one counter has no room. add: counts in any case, gives leases back
-- Gives three numbers per counter in one string (reading many replies costs the asker more than all of this): what is
-- left, ms until more is, 1 when it has no room.
local BUCKETS = 20
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local takes = ARGV[1] == 'take'

local function of(place)
  local at = 4 * place - 2
  return tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3])
end

local function keep(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, 2 * ms) end
end

local function count(key, bucket, units)
  if units == 0 then return end
  redis.call('HINCRBY', key, math.floor(now / bucket), units)
  keep(key, (BUCKETS + 1) * bucket)
end

local function leases(key, most)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  local left = most - redis.call('ZCARD', key)
  return left, 1000, left < 1
end

-- The oldest bucket counts as a whole, so that no window of this length ever holds more than `most`.
local function window(key, most, bucket, needs)
  local first = math.floor(now / bucket) - BUCKETS
  local used, seen = 0, {}
  local all = redis.call('HGETALL', key)
  for at = 1, #all, 2 do
    local when = tonumber(all[at])
    if when < first then
      redis.call('HDEL', key, all[at])
    else
      local units = tonumber(all[at + 1])
      used = used + units
      seen[#seen + 1] = {when, units}
    end
  end
  local left = most - used
  local lacking = math.max(needs - left, 1)
  table.sort(seen, function(one, other) return one[1] < other[1] end)
  local freed = 0
  for _, found in ipairs(seen) do
    freed = freed + found[2]
    if freed >= lacking then return left, (found[1] + BUCKETS + 1) * bucket - now, left < needs end
  end
  return left, BUCKETS * bucket, left < needs
end

local told, refused = {}, false
for place, key in ipairs(KEYS) do
  local most, bucket, what, needs = of(place)
  if not takes then
    if bucket == 0 then redis.call('ZREM', key, what) else count(key, bucket, tonumber(what)) end
  end
  local left, again, is_full
  if bucket == 0 then left, again, is_full = leases(key, most)
  else left, again, is_full = window(key, most, bucket, needs) end
  refused = refused or is_full
  local at = 3 * place - 2
  told[at], told[at + 1], told[at + 2] = left, again, is_full and 1 or 0
end
if takes and not refused then
  for place, key in ipairs(KEYS) do
    local _, bucket, what, needs = of(place)
    if bucket == 0 then
      redis.call('ZADD', key, now + needs, what)
      keep(key, needs)
      told[3 * place - 2] = told[3 * place - 2] - 1
    else
      count(key, bucket, tonumber(what))
      told[3 * place - 2] = told[3 * place - 2] - tonumber(what)
    end
  end
end
return table.concat(told, ' ')
