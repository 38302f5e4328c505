-- Who may call a model now. One model is one door: slots, a queue before them, and a breaker, the same for all processes.
--
-- KEYS  held     tokens of calls in flight, by the end of their lease (ms)
--       queue    tokens of who waits, by rank (microseconds): time of arrival, plus patience for who is not in a hurry
--       alive    tokens of who waits, by when they are taken for dead (ms)
--       breaker  hash: until, span, probe, probe_until (ms) while open; g<n> and b<n>, good and bad calls per bucket
-- ARGV  operation, process, limit, hold, beat, patience, window (all ms), failures, share, open, open_most (ms), then
--       enter    token, 1 when in a hurry      -> in | probe | wait | back, ms to wait
--       leave    token, verdict, retry after (as often as needed) -> state, ms, own tokens that may go in now
--       wait     own tokens that wait          -> state, ms, own tokens that may go in now
--       look                                   -> state, ms, calls in flight, calls that wait
local held, queue, alive, breaker = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local operation, process = ARGV[1], ARGV[2]
local limit, hold, beat = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local patience, window = tonumber(ARGV[6]), tonumber(ARGV[7])
local failures, share = tonumber(ARGV[8]), tonumber(ARGV[9])
local open, open_most = tonumber(ARGV[10]), tonumber(ARGV[11])
local time = redis.call('TIME')
local stamp = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(stamp / 1000)

local function milliseconds_held_back()
  local known = redis.call('HMGET', breaker, 'until', 'probe_until')
  if not known[1] then return nil end
  return math.max(tonumber(known[1]) - now, tonumber(known[2] or 0) - now, 0)
end

local function forget(token)
  redis.call('ZREM', queue, token)
  redis.call('ZREM', alive, token)
end

local function admit(token)
  redis.call('ZADD', held, now + hold, token)
  redis.call('PEXPIRE', held, hold * 2)
end

local function bury_the_dead()
  redis.call('ZREMRANGEBYSCORE', held, '-inf', now)
  for _, token in ipairs(redis.call('ZRANGEBYSCORE', alive, '-inf', now)) do forget(token) end
end

-- Lets in who is next, for as long as there is room; gives the tokens of this process among them.
local function call_up()
  local mine = {}
  if milliseconds_held_back() then return mine end
  local room = limit - redis.call('ZCARD', held)
  while room > 0 do
    local first = redis.call('ZRANGE', queue, 0, 0)[1]
    if not first then break end
    forget(first)
    admit(first)
    if string.sub(first, 1, #process) == process then
      table.insert(mine, first)
    else
      -- Its process hears of it within a beat, or is dead.
      redis.call('ZADD', held, now + beat, first)
    end
    room = room - 1
  end
  return mine
end

local function is_failing()
  local oldest = math.floor((now - window) * 10 / window)
  local good, bad = 0, 0
  local all = redis.call('HGETALL', breaker)
  for place = 1, #all, 2 do
    local kind, bucket = string.match(all[place], '^([gb])(%d+)$')
    if kind and tonumber(bucket) <= oldest then
      redis.call('HDEL', breaker, all[place])
    elseif kind == 'g' then
      good = good + tonumber(all[place + 1])
    elseif kind == 'b' then
      bad = bad + tonumber(all[place + 1])
    end
  end
  return bad >= failures and bad >= share * (good + bad)
end

local function hold_back(span, after)
  redis.call('HDEL', breaker, 'probe', 'probe_until')
  redis.call('HSET', breaker, 'span', span, 'until', now + math.max(span, math.min(after, open_most)))
end

local function judge(token, verdict, after)
  local known = redis.call('HMGET', breaker, 'until', 'probe', 'span')
  if not known[1] then
    if verdict == 'none' then return end
    redis.call('HINCRBY', breaker, (verdict == 'bad' and 'b' or 'g') .. math.floor(now * 10 / window), 1)
    if (verdict == 'bad' or redis.call('HLEN', breaker) > 40) and is_failing() then hold_back(open, after) end
  elseif known[2] == token then
    if verdict == 'good' then
      redis.call('DEL', breaker)
    elseif verdict == 'bad' then
      hold_back(math.min(tonumber(known[3]) * 2, open_most), after)
    else
      redis.call('HDEL', breaker, 'probe', 'probe_until')
    end
  end
  redis.call('PEXPIRE', breaker, math.max(window, open_most) * 2)
end

local function told(mine)
  local back = milliseconds_held_back()
  return {back and 'back' or 'open', back or 0, unpack(mine)}
end

bury_the_dead()
if operation == 'enter' then
  local token, hurries = ARGV[12], ARGV[13] == '1'
  local back = milliseconds_held_back()
  if back and back > 0 then return {'back', back} end
  if back then
    -- Half open: this one goes in alone, whatever the limit says; the others hear how it went.
    redis.call('HSET', breaker, 'probe', token, 'probe_until', now + hold)
    admit(token)
    return {'probe', 0}
  end
  if redis.call('ZCARD', queue) == 0 and redis.call('ZCARD', held) < limit then
    admit(token)
    return {'in', 0}
  end
  redis.call('ZADD', queue, hurries and stamp or stamp + patience * 1000, token)
  redis.call('ZADD', alive, now + beat, token)
  for _, key in ipairs({queue, alive}) do redis.call('PEXPIRE', key, hold * 2) end
  local mine = call_up()
  for _, first in ipairs(mine) do
    if first == token then return {'in', 0} end
  end
  return {'wait', 0, unpack(mine)}
elseif operation == 'leave' then
  for place = 12, #ARGV, 3 do
    redis.call('ZREM', held, ARGV[place])
    forget(ARGV[place])
    judge(ARGV[place], ARGV[place + 1], tonumber(ARGV[place + 2]))
  end
  return told(call_up())
elseif operation == 'wait' then
  local mine = {}
  if milliseconds_held_back() then
    for place = 12, #ARGV do
      forget(ARGV[place])
      redis.call('ZREM', held, ARGV[place])
    end
    return told(mine)
  end
  for place = 12, #ARGV do
    local token = ARGV[place]
    if redis.call('ZSCORE', held, token) then
      admit(token)
      table.insert(mine, token)
    else
      redis.call('ZADD', queue, 'NX', stamp, token)
      redis.call('ZADD', alive, now + beat, token)
    end
  end
  for _, first in ipairs(call_up()) do table.insert(mine, first) end
  return told(mine)
end
local back = milliseconds_held_back()
return {back and 'back' or 'open', back or 0, redis.call('ZCARD', held), redis.call('ZCARD', queue)}
