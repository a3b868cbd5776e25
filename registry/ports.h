/*
 * Ports: which port the next instance gets.
 *
 * Automatic ports come from a range, lowest free one first. A caller may
 * prefer any other port that an ordinary user can bind. Before a port is given
 * away it is bound for a moment, so a stranger who sits on it is found. A port
 * whose owner vanished rests for a minute, so that clients which still
 * remember it do not reach another service; the same service has it back at
 * once when it asks for it.
 *
 * Threads: the caller serialises.
 */
#ifndef REGISTRY_PORTS_H
#define REGISTRY_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

enum {
    REG_PORT_FIRST = 5100,  /* default range */
    REG_PORT_LAST = 5999,   /* inclusive */
    REG_PORT_LOWEST = 1024, /* below: only root may bind */
    REG_PORT_HIGHEST = 65535,
    REG_QUARANTINE_S = 60
};

/* Can a server bind this port now? */
typedef bool reg_port_probe(void *context, int port);

/* Tries to bind the port on every address, IPv4 and IPv6; the default probe.
 * `context` is not used. */
bool reg_port_is_free(void *context, int port);

enum reg_port_state { REG_PORT_FREE, REG_PORT_TAKEN, REG_PORT_RESTING };

struct reg_port {
    uint64_t resting_until_ns;
    uint64_t owner; /* who holds it or held it last; 0 = nobody yet */
    bool taken;
};

struct reg_ports {
    int first, last; /* of the automatic range, inclusive */
    int reserved;    /* the registry's own port; 0 = none */
    reg_port_probe *probe;
    void *context;
    struct reg_port *all; /* by port number; untouched pages cost nothing */
};

/* `ports` holds the range, reserved port and probe (NULL = reg_port_is_free)
 * and is filled up. ERR_USAGE: the range is empty or outside 1024-65535;
 * ERR_OUT_OF_MEMORY. */
bool reg_ports_init(struct reg_ports *ports, struct error *err);

void reg_ports_release(struct reg_ports *ports);

/* Whether `owner` (0 = whoever) may have the port now; does not probe. */
enum reg_port_state reg_ports_state(const struct reg_ports *ports, int port,
                                    uint64_t owner, uint64_t now_ns);

/* Marks the port as held by `owner`. */
void reg_ports_hold(struct reg_ports *ports, int port, uint64_t owner);

/* Takes the lowest port of the range that is free and passes the probe.
 * ERR_NO_PORT_AVAILABLE: there is none. Returns 0 then. */
int reg_ports_take_any(struct reg_ports *ports, uint64_t owner, uint64_t now_ns,
                       struct error *err);

/* The port is free at once (its owner gave it back), or after the quarantine
 * (its owner vanished). */
void reg_ports_give_back(struct reg_ports *ports, int port);
void reg_ports_rest(struct reg_ports *ports, int port, uint64_t now_ns);

#endif
