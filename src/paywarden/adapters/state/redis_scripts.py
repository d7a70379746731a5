"""The Lua that Redis runs for the store: each script is one atomic step on the keys of one hash slot.

Every script answers ``{"ok", ...}`` or a refusal: ``{"fenced", fence}``, ``{"stale", epoch, batch}``,
``{"not_begun"}``, ``{"width", bytes}``, ``{"held", owner}``, ``{"layout", digest}``. It checks everything before it
writes anything, since Redis does not roll a failed script back. Numbers compare as numbers: Lua orders strings by
locale. Lists are unpacked in runs of 1,000, as Lua's stack holds 8,000 values. A control hash has the fields ``fence``,
``held``, ``epoch``, ``batch`` and, in a shard, ``records:<entity>`` and ``bytes:<entity>``.
"""

from __future__ import annotations

_CONTROL = """
local function lease_refusal(control, fence)
  local known = redis.call('HMGET', control, 'fence', 'held')
  if known[2] ~= '1' or tonumber(known[1]) ~= tonumber(fence) then
    return {'fenced', tonumber(known[1] or '0')}
  end
end

-- -1, 0 or 1 as the batch is older than, is, or is newer than the one begun last; 1 where none has begun.
local function compare_batch(control, epoch, batch)
  local begun = redis.call('HMGET', control, 'epoch', 'batch')
  if not begun[1] then return 1 end
  local epochs, batches = tonumber(epoch) - tonumber(begun[1]), tonumber(batch) - tonumber(begun[2])
  local order = epochs ~= 0 and epochs or batches
  return order < 0 and -1 or order > 0 and 1 or 0, tonumber(begun[1]), tonumber(begun[2])
end
"""

ACQUIRE = """
-- KEYS: meta control. ARGV: owner, layout digest, whether to take over.
local known = redis.call('HMGET', KEYS[1], 'layout', 'owner', 'held')
if known[1] and known[1] ~= ARGV[2] then return {'layout', known[1]} end
if known[3] == '1' and known[2] ~= ARGV[1] and ARGV[3] ~= '1' then return {'held', known[2]} end
redis.call('HSET', KEYS[1], 'layout', ARGV[2], 'owner', ARGV[1], 'held', '1')
return {'ok', redis.call('HINCRBY', KEYS[1], 'fence', 1)}
"""

LEARN = """
-- KEYS: a shard's control. ARGV: the fence of an acquisition. News of an older one changes nothing.
if tonumber(ARGV[1]) > tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') then
  redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'held', '1')
end
return {'ok'}
"""

RELEASE = """
-- KEYS: a control. ARGV: fence. Answers 0 where the lease was superseded, or never known.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return {'ok', 0} end
redis.call('HSET', KEYS[1], 'held', '0')
return {'ok', 1}
"""

BEGIN = (
    _CONTROL
    + """
-- KEYS: a control, its before-images. ARGV: fence, epoch, batch.
local refusal = lease_refusal(KEYS[1], ARGV[1])
if refusal then return refusal end
local order, epoch, batch = compare_batch(KEYS[1], ARGV[2], ARGV[3])
if order < 0 then return {'stale', epoch, batch} end
if order > 0 then
  -- First, so that a batch can begin where memory is full: after a write that frees, Redis lets a script finish.
  redis.call('UNLINK', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'batch', ARGV[3])
end
return {'ok'}
"""
)

WRITE = (
    _CONTROL
    + """
-- KEYS: control, records, before-images. ARGV: fence, epoch, batch, header, entity, prefix of before-images, bytes of
-- a record, the records end to end, then the keys.
local refusal = lease_refusal(KEYS[1], ARGV[1])
if refusal then return refusal end
local order, epoch, batch = compare_batch(KEYS[1], ARGV[2], ARGV[3])
if order < 0 then return {'stale', epoch, batch} end
if order > 0 then return {'not_begun'} end
local header, prefix, width, first = ARGV[4], ARGV[6], tonumber(ARGV[7]), 9
local before, new_keys, key_bytes = {}, {}, 0
for start = first, #ARGV, 1000 do
  local found = redis.call('HMGET', KEYS[2], unpack(ARGV, start, math.min(start + 1000 - 1, #ARGV)))
  for i = 1, #found do
    local key = ARGV[start + i - 1]
    if not found[i] then
      new_keys[#new_keys + 1] = key
      key_bytes = key_bytes + #key
    elseif #found[i] ~= width then
      return {'width', #found[i]}
    elseif string.sub(found[i], 1, 16) ~= header then
      before[#before + 1] = prefix .. key
      before[#before + 1] = found[i]
    end
  end
end
for start = 1, #before, 2 * 1000 do
  redis.call('HSET', KEYS[3], unpack(before, start, math.min(start + 2 * 1000 - 1, #before)))
end
for _, key in ipairs(new_keys) do
  -- A key deleted in this batch has its before-image already.
  redis.call('HSETNX', KEYS[3], prefix .. key, '')
end
for start = first, #ARGV, 1000 do
  local pairs_, last = {}, math.min(start + 1000 - 1, #ARGV)
  for i = start, last do
    local at = (i - first) * width
    pairs_[#pairs_ + 1] = ARGV[i]
    pairs_[#pairs_ + 1] = string.sub(ARGV[8], at + 1, at + width)
  end
  redis.call('HSET', KEYS[2], unpack(pairs_))
end
if #new_keys > 0 then
  redis.call('HINCRBY', KEYS[1], 'records:' .. ARGV[5], #new_keys)
  redis.call('HINCRBY', KEYS[1], 'bytes:' .. ARGV[5], key_bytes + #new_keys * width)
end
return {'ok'}
"""
)

DELETE = (
    _CONTROL
    + """
-- KEYS: control, records, before-images. ARGV: fence (empty for maintenance, which goes on beside any writer), entity,
-- prefix of before-images, then a key and the header that its record must still bear, for each record.
local refusal = ARGV[1] ~= '' and lease_refusal(KEYS[1], ARGV[1])
if refusal then return refusal end
local begun = redis.call('HEXISTS', KEYS[1], 'epoch') == 1
local deleted, freed = 0, 0
for i = 4, #ARGV, 2 do
  local found = redis.call('HGET', KEYS[2], ARGV[i])
  if found and string.sub(found, 1, 16) == ARGV[i + 1] then
    if begun then redis.call('HSETNX', KEYS[3], ARGV[3] .. ARGV[i], found) end
    redis.call('HDEL', KEYS[2], ARGV[i])
    deleted, freed = deleted + 1, freed + #ARGV[i] + #found
  end
end
if deleted > 0 then
  redis.call('HINCRBY', KEYS[1], 'records:' .. ARGV[2], -deleted)
  redis.call('HINCRBY', KEYS[1], 'bytes:' .. ARGV[2], -freed)
end
return {'ok', deleted}
"""
)

CLEAR = (
    _CONTROL
    + """
-- KEYS: control, before-images, then the records of each entity. ARGV: fence, then the same entities. No batch has
-- begun afterwards. Answers 0 where the control knows of other entities, so that the caller asks again.
local refusal = lease_refusal(KEYS[1], ARGV[1])
if refusal then return refusal end
local known = 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 8) == 'records:' then known = known + 1 end
end
if known ~= #ARGV - 1 then return {'ok', 0} end
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
for i = 2, #ARGV do redis.call('HDEL', KEYS[1], 'records:' .. ARGV[i], 'bytes:' .. ARGV[i]) end
redis.call('HDEL', KEYS[1], 'epoch', 'batch')
return {'ok', 1}
"""
)

FORGET_LAYOUT = (
    _CONTROL
    + """
-- KEYS: meta control. ARGV: fence.
local refusal = lease_refusal(KEYS[1], ARGV[1])
if refusal then return refusal end
redis.call('HDEL', KEYS[1], 'layout')
return {'ok'}
"""
)
