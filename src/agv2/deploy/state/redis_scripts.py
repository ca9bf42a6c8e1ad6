"""What Redis does in one step, as Lua.

All state of an installation is one hash, so that it is there whole or gone whole. Each script first proves that it is
still the hash that this process knows: the same generation, and no version older than one it has seen. Times are
microseconds: Lua's numbers are doubles, which hold them exactly until the year 2255. Fields: `generation`, `version`,
`v:KEY` for texts, `l:NAME` for leases as `TOKEN EXPIRES OWNER`.
"""

__all__ = ["SCRIPTS"]

# KEYS[1] the hash; ARGV[1] generation, ARGV[2] least version, ARGV[3] the clock's microseconds or '' for the server's.
_PRELUDE = """
local generation = redis.call('HGET', KEYS[1], 'generation')
if generation ~= ARGV[1] then return redis.error_reply('AGV2LOST it is gone or was begun anew') end
local version = tonumber(redis.call('HGET', KEYS[1], 'version'))
if version < tonumber(ARGV[2]) then return redis.error_reply('AGV2LOST it went back to an earlier state') end
local function now()
  if ARGV[3] ~= '' then return tonumber(ARGV[3]) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local function lease(name)
  local found = redis.call('HGET', KEYS[1], 'l:' .. name)
  if not found then return nil end
  local token, expires, owner = string.match(found, '^(%d+) (%d+) (.*)$')
  return {token = tonumber(token), expires = tonumber(expires), owner = owner}
end
local function keep(name, token, expires, owner)
  redis.call('HSET', KEYS[1], 'l:' .. name, string.format('%.0f %.0f %s', token, expires, owner))
end
local function write(key, text)
  if text then redis.call('HSET', KEYS[1], 'v:' .. key, text) else redis.call('HDEL', KEYS[1], 'v:' .. key) end
  version = version + 1
  redis.call('HSET', KEYS[1], 'version', string.format('%.0f', version))
end
local function done(answer) return {string.format('%.0f', version), answer} end
"""

# ARGV[1] new generation, ARGV[2] known generation or '', ARGV[3] known version, then field, text, ...: what it begins
# with after a loss. Returns generation, version and why it began anew ('' if it did not).
_BEGIN = """
local generation = redis.call('HGET', KEYS[1], 'generation')
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local lost = ''
if ARGV[2] ~= '' then
  if not generation then lost = 'it is gone'
  elseif generation == ARGV[2] and version < tonumber(ARGV[3]) then lost = 'it went back to an earlier state' end
end
if generation and lost == '' then return {generation, string.format('%.0f', version), ''} end
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'version', string.format('%.0f', version + 1))
if lost ~= '' then
  for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], 'v:' .. ARGV[i], ARGV[i + 1]) end
end
return {ARGV[1], string.format('%.0f', version + 1), lost}
"""

_ITEMS = """
local all, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2 + #ARGV[4]) == 'v:' .. ARGV[4] then
    found[#found + 1] = string.sub(all[i], 3)
    found[#found + 1] = all[i + 1]
  end
end
return done(found)
"""

_GET = "return done(redis.call('HGET', KEYS[1], 'v:' .. ARGV[4]))"

# ARGV[4] key, ARGV[5] '1' to write and '' to remove, ARGV[6] text, ARGV[7] name of a lease or '', ARGV[8] its token.
_PUT = """
if ARGV[7] ~= '' then
  local held = lease(ARGV[7])
  if not held or held.token ~= tonumber(ARGV[8]) or held.expires == 0 then return done('gone') end
end
write(ARGV[4], ARGV[5] == '1' and ARGV[6] or nil)
return done('ok')
"""

# ARGV[4] key, ARGV[5] and ARGV[6] whether something is expected and what, ARGV[7] and ARGV[8] the same of the new text.
_SWAP = """
local found = redis.call('HGET', KEYS[1], 'v:' .. ARGV[4])
local expected = ARGV[5] == '1' and ARGV[6] or false
local wanted = ARGV[7] == '1' and ARGV[8] or false
if found == wanted then return done('ok') end -- asked again after a lost answer
if found ~= expected then return done('no') end
write(ARGV[4], wanted or nil)
return done('ok')
"""

# ARGV[4] name, ARGV[5] owner, ARGV[6] microseconds to live.
_ACQUIRE = """
local held, at = lease(ARGV[4]), now()
if held and held.expires > at and held.owner ~= ARGV[5] then
  return done({'held', held.owner, string.format('%.0f', held.expires - at)})
end
local token = math.max(held and held.token + 1 or 0, at)
local expires = at + tonumber(ARGV[6])
keep(ARGV[4], token, expires, ARGV[5])
return done({'ok', string.format('%.0f', token), string.format('%.0f', expires)})
"""

# ARGV[4] name, ARGV[5] token, ARGV[6] microseconds to live; 0 ends it.
_RENEW = """
local held = lease(ARGV[4])
if not held or held.token ~= tonumber(ARGV[5]) or held.expires == 0 then return done('gone') end
local expires = 0
if tonumber(ARGV[6]) > 0 then expires = now() + tonumber(ARGV[6]) end
keep(ARGV[4], held.token, expires, held.owner)
return done(string.format('%.0f', expires))
"""

SCRIPTS: dict[str, str] = {"begin": _BEGIN} | {
    name: _PRELUDE + body
    for name, body in (
        ("get", _GET),
        ("items", _ITEMS),
        ("put", _PUT),
        ("swap", _SWAP),
        ("acquire", _ACQUIRE),
        ("renew", _RENEW),
    )
}
"""Name of a step → its script."""
