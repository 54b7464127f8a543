-- The shared accounts of `redis.py`, changed by one atomic script. Amounts are whole nanodollars below 2^53, which a Lua
-- number holds exactly; they are written with '%.0f', for Lua's own way keeps 14 digits.
--
-- KEYS[1]: the prefix of everything here, with a hash tag. ARGV: operation, worker, number of the call, its JSON.
--   <prefix>:workers          hash   worker -> who it is
--   <prefix>:seen             hash   worker -> when it was last heard of, by this server's clock
--   <prefix>:calls:<worker>   hash   number and reply of its last call
--   <prefix>:leases:<worker>  hash   account -> leased
--   <prefix>:account:<per>|<window>|<scope>   hash   cap, spent, leased
--   <prefix>:last:<per>|<scope>   string   the latest window that anybody has seen
--   <prefix>:wanted           set    accounts of which somebody was refused what others hold
--   <prefix>:recent           sorted set   <per>|<scope> by when it was touched
--
-- A call that is sent again, its reply having been lost, gets the reply of the first time and changes nothing.

local prefix, operation, me, number = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local workers, seen, wanted_set = prefix .. ':workers', prefix .. ':seen', prefix .. ':wanted'
local DAY = 86400
local KEEP = {hour = 8 * DAY, day = 8 * DAY, month = 40 * DAY, run = 8 * DAY}

local function text(amount)
  return string.format('%.0f', amount)
end

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

-- Charges what a worker holds and forgets it. What it last said stays for a day: it may ask again.
local function bury(worker)
  local total = 0
  if redis.call('HDEL', workers, worker) == 0 then
    return '0'
  end
  local leases = prefix .. ':leases:' .. worker
  local held = redis.call('HGETALL', leases)
  for i = 1, #held, 2 do
    local account = prefix .. ':account:' .. held[i]
    redis.call('HINCRBY', account, 'spent', held[i + 1])
    redis.call('HINCRBY', account, 'leased', '-' .. held[i + 1])
    total = total + tonumber(held[i + 1])
  end
  redis.call('DEL', leases)
  redis.call('HDEL', seen, worker)
  redis.call('EXPIRE', prefix .. ':calls:' .. worker, DAY)
  return text(total)
end

if operation == 'join' then
  redis.call('HSET', workers, me, ARGV[4])
  redis.call('HSET', seen, me, text(now()))
  return ''
elseif operation == 'bury' then
  return bury(me)
end

local calls, leases = prefix .. ':calls:' .. me, prefix .. ':leases:' .. me
if redis.call('HGET', calls, 'number') == number then
  return redis.call('HGET', calls, 'reply')
end
if redis.call('HEXISTS', workers, me) == 0 then
  return redis.error_reply('UNKNOWN worker')
end

local body = cjson.decode(ARGV[4])
local rows, order = {}, {}

local function last_window(per, scope)
  return tonumber(redis.call('GET', prefix .. ':last:' .. per .. '|' .. scope) or '-1')
end

-- ask: scope, per, window, limit, need, unit, offer, fresh
local function row_of(ask)
  local scope, per, window = ask[1], ask[2], ask[3]
  if ask[8] then
    window = math.max(window, last_window(per, scope))
  end
  local name = per .. '|' .. text(window) .. '|' .. scope
  local row = rows[name]
  if row == nil then
    local known = redis.call('HMGET', prefix .. ':account:' .. name, 'cap', 'spent', 'leased')
    row = {
      name = name, scope = scope, per = per, window = window,
      cap = tonumber(known[1] or ask[4]), spent = tonumber(known[2] or 0), leased = tonumber(known[3] or 0),
      mine = tonumber(redis.call('HGET', leases, name) or 0),
      wanted = redis.call('SISMEMBER', wanted_set, name) == 1,
    }
    rows[name] = row
    order[#order + 1] = row
  end
  if ask[4] > 0 then
    row.cap = ask[4]
  end
  return row
end

local function lease(row, amount)
  row.leased = row.leased + amount
  row.mine = row.mine + amount
end

local function available(row)
  return row.cap - row.spent - row.leased
end

local function extra_lease(unit, free)
  local extra = math.min(32 * unit, math.floor(free / 16))
  return extra >= unit and extra or 0
end

local function save(row, at)
  local account = prefix .. ':account:' .. row.name
  redis.call('HSET', account, 'cap', text(row.cap), 'spent', text(row.spent), 'leased', text(row.leased))
  if row.mine ~= 0 then
    redis.call('HSET', leases, row.name, text(row.mine))
  else
    redis.call('HDEL', leases, row.name)
  end
  redis.call(row.wanted and 'SADD' or 'SREM', wanted_set, row.name)
  if row.window > last_window(row.per, row.scope) then
    redis.call('SET', prefix .. ':last:' .. row.per .. '|' .. row.scope, text(row.window))
  end
  local keep = KEEP[row.per] or (string.sub(row.scope, 1, 4) == 'run:' and KEEP.run)
  if keep then
    redis.call('EXPIRE', account, keep)
    redis.call('EXPIRE', prefix .. ':last:' .. row.per .. '|' .. row.scope, keep)
  end
  redis.call('ZADD', prefix .. ':recent', text(at), row.per .. '|' .. row.scope)
end

-- The index of the ask that can't be met, from 0, or -1: then all of them are.
local function decide(asks, found)
  for i, ask in ipairs(asks) do
    local row, need = found[i], ask[5]
    if need > 0 and available(row) < need then
      lease(row, -ask[7])
      if row.leased > row.mine and row.cap - row.spent - row.mine >= need then
        row.wanted = true
      end
      return i - 1
    end
  end
  for i, ask in ipairs(asks) do
    lease(found[i], ask[5])
    found[i].wanted = false
  end
  return -1
end

local out = {}
local function tell(row)
  for _, amount in ipairs({row.window, row.cap, row.spent, row.leased, row.mine}) do
    out[#out + 1] = text(amount)
  end
end

if operation == 'grant' then
  local decided, extras = {}, {}
  for r, asks in ipairs(body) do
    local found = {}
    for i, ask in ipairs(asks) do
      found[i] = row_of(ask)
    end
    decided[r] = {found = found, denied = decide(asks, found)}
  end
  for r, asks in ipairs(body) do
    for i, ask in ipairs(asks) do
      local row = decided[r].found[i]
      if decided[r].denied < 0 and extras[row.name] == nil then
        extras[row.name] = extra_lease(ask[6], available(row))
        lease(row, extras[row.name])
      end
    end
  end
  for _, verdict in ipairs(decided) do
    out[#out + 1] = text(verdict.denied)
    for _, row in ipairs(verdict.found) do
      tell(row)
      -- The first request of an account takes what was leased beyond all needs.
      local extra = verdict.denied < 0 and extras[row.name] or 0
      out[#out + 1] = text(extra)
      if verdict.denied < 0 then
        extras[row.name] = 0
      end
    end
  end
else -- post: scope, per, window, spent, uncovered, release
  local moved = {}
  for i, move in ipairs(body) do
    local row = row_of({move[1], move[2], move[3], 0, 0, 0, 0, false})
    row.spent = row.spent + move[4]
    lease(row, move[5] - move[4] - move[6])
    moved[i] = row
  end
  for _, row in ipairs(moved) do
    tell(row)
  end
end

local at = now()
for _, row in ipairs(order) do
  save(row, at)
end
local reply = table.concat(out, ' ')
redis.call('HSET', calls, 'number', number, 'reply', reply)
redis.call('HSET', seen, me, text(at))
return reply
