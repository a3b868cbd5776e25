/*
 * Client TLS: whom a client trusts and what it shows of itself.
 *
 * Threads: immutable.
 */
#ifndef CLIENTS_C_CLIENT_TLS_H
#define CLIENTS_C_CLIENT_TLS_H

/* Paths of PEM files; NULL: what the system trusts, and nothing to show. */
struct client_tls {
    const char *ca, *certificate, *key;
};

#endif
