// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a switch remembers: at which port an address was last seen.
 *
 * The table has a fixed size and each entry is one word, so readers take no lock
 * and see an address and its port together. A guest can make the switch forget
 * what it learned, but never the address of another device itself: that one is
 * not moved away, and not pushed out by others.
 */
#include <linux/etherdevice.h>
#include <linux/hash.h>
#include <linux/jiffies.h>

#include "port_switch.h"

static struct sw_fdb *fdb_set(struct trivio_switch *sw, u64 mac)
{
	return &sw->fdb[SW_FDB_WAYS * hash_64(mac, SW_FDB_BITS)];
}

/* Is this the device's own address, at its own port? */
static bool is_own(struct trivio_switch *sw, u64 key)
{
	const struct sw_port *p = rcu_dereference(sw->port[sw_fdb_id(key)]);

	return p && ether_addr_to_u64(p->port.net->mac) == sw_fdb_mac(key);
}

static struct sw_fdb *find(struct sw_fdb *set, u64 mac)
{
	int i;

	for (i = 0; i < SW_FDB_WAYS; i++)
		if (sw_fdb_mac(READ_ONCE(set[i].key)) == mac &&
		    READ_ONCE(set[i].key))
			return &set[i];
	return NULL;
}

/* The entry to give up for a new address: free, old, or seen longest ago. */
static struct sw_fdb *victim(struct trivio_switch *sw, struct sw_fdb *set)
{
	struct sw_fdb *v = NULL;
	int i;

	for (i = 0; i < SW_FDB_WAYS; i++) {
		if (!set[i].key || !sw_fdb_fresh(&set[i]))
			return &set[i];
		if (is_own(sw, set[i].key))
			continue;
		if (!v || time_before(set[i].seen, v->seen))
			v = &set[i];
	}
	return v;
}

/**
 * sw_fdb_learn() - an address was seen
 * @sw: switch
 * @key: unicast address, the source of a frame, and the port that it came from
 *
 * Context: soft interrupt, RCU reader.
 *
 * Return: its entry, which is another address's as soon as it has another key; NULL if
 * it is not to be learned.
 */
struct sw_fdb *sw_fdb_learn(struct trivio_switch *sw, u64 key)
{
	u64 addr = sw_fdb_mac(key);
	struct sw_fdb *set = fdb_set(sw, addr), *e = find(set, addr);

	if (likely(e && READ_ONCE(e->key) == key)) {
		/* Not every packet need write to the line all CPUs read. */
		if (unlikely(sw_fdb_worn(e)))
			WRITE_ONCE(e->seen, jiffies);
		return e;
	}
	spin_lock(&sw->fdb_lock);
	e = find(set, addr);
	if (e && is_own(sw, e->key) && e->key != key)
		e = NULL;
	else if (!e)
		e = victim(sw, set);
	if (e) {
		WRITE_ONCE(e->seen, jiffies);
		WRITE_ONCE(e->key, key);
	}
	spin_unlock(&sw->fdb_lock);
	return e;
}

/**
 * sw_fdb_find() - where is an address
 * @sw: switch
 * @mac: address, as a number
 *
 * Context: RCU reader.
 *
 * Return: its entry, which is another address's as soon as it has another key, and may
 * be old; NULL if it is not known.
 */
struct sw_fdb *sw_fdb_find(struct trivio_switch *sw, u64 mac)
{
	return find(fdb_set(sw, mac), mac);
}

/**
 * sw_fdb_forget() - a port is gone
 * @sw: switch
 * @id: port
 *
 * Context: may sleep.
 */
void sw_fdb_forget(struct trivio_switch *sw, u16 id)
{
	struct sw_fdb *e = sw->fdb;
	unsigned int i;

	spin_lock_bh(&sw->fdb_lock);
	for (i = 0; i < SW_FDB_WAYS << SW_FDB_BITS; i++, e++)
		if (e->key && sw_fdb_id(e->key) == id)
			WRITE_ONCE(e->key, 0);
	spin_unlock_bh(&sw->fdb_lock);
}
