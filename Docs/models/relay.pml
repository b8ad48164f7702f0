/*
 * The relay protocol (../relay-protocol.md): one lane from an origin to a destination, for spin.
 *
 * Modelled: acceptance, numbering, output commit and lazy writes at the origin; take-over in one transaction and <have/>
 * after its commit at the destination; streams that die at any moment, streams of the past whose bytes arrive late beside
 * the stream in use, a bundle of entries on a stick; the window; expiry, also of entries under way; crashes of both sites;
 * the disk's reserve; refused stanzas; restored backups and empty new stores at both sides, several times; what was acknowledged
 * and is kept for that, until it is trimmed; the tags that the destination remembers, and the question for them.
 *
 * Abstracted: one stream direction is a FIFO of whole stanzas; a stanza is a number (`tag`), given once and never again, that
 * stands for its content and for its random tag alike. A step is one `atomic`: a turn and its commit. A crash before the
 * commit is a crash before the step; a crash after the commit and before the effects is one between two steps, since what
 * an event causes to be sent is always a step of its own. Faults are bounded by budgets, so that after them everything has
 * to come to rest. Timers fire at any moment (cut) or when nothing else is left to happen (silence).
 *
 * Names are those of the code; Docs/models/README.md maps each inline to its function. `./check` runs every configuration.
 *
 * Entries stand at places, which are never given twice by one store; the number of an entry in an epoch is its distance from the
 * place where that epoch begins (LaneEntries).
 *
 * Configuration, all by -D: ENTRIES WINDOW CUTS CRASHES VOIDS STICKS RESERVES REFUSED TRIMS ROLLBACKS HISTORY (sizes and budgets),
 * RESTORE_ORIGIN, NEW_ORIGIN, RESTORE_DESTINATION, NEW_DESTINATION, LATE_AFTER_RESTORE (old carriers outlive a restore of the
 * origin), LIVENESS (the formula at the end), REST_NOT_JUDGED (an end without drained queue is let pass), MUTATION_* (an error
 * that must be found), WITNESS_* (a state that must be reachable).
 */

#ifndef ENTRIES
#define ENTRIES 3        /* stanzas that clients hand over, in all */
#endif
#ifndef WINDOW
#define WINDOW 2         /* S3: entries under way; also the room of a carrier */
#endif
#ifndef CUTS
#define CUTS 0           /* streams that die, by a fault of the line or by a timeout */
#endif
#ifndef CRASHES
#define CRASHES 0        /* process deaths, of either site */
#endif
#ifndef VOIDS
#define VOIDS 0          /* S5: entries that expire */
#endif
#ifndef STICKS
#define STICKS 0         /* bundles exported */
#endif
#ifndef RESERVES
#define RESERVES 0       /* R4: times at which the destination's disk is nearly full */
#endif
#ifndef REFUSED
#define REFUSED 0        /* R3: the stanza that the destination refuses; 0 for none */
#endif

#ifndef TRIMS
#define TRIMS 0          /* S2: kept entries that go, since their time is over or there are too many */
#endif
#ifndef HISTORY
#define HISTORY 9        /* tags that the destination remembers; 0: a build that remembers none and knows no question */
#endif

#ifndef MUTATION_NO_AFTER
#define AFTER            /* an entry names the one before */
#endif

#if defined(RESTORE_ORIGIN) || defined(NEW_ORIGIN) || defined(RESTORE_DESTINATION) || defined(NEW_DESTINATION)
#ifndef ROLLBACKS
#define ROLLBACKS 1      /* stores that are replaced, in all */
#endif
#else
#define ROLLBACKS 0
#endif

/* With everything kept and everything remembered there is never a reason to stop. */
#if TRIMS == 0 && HISTORY >= ENTRIES
#define MAY_STOP false
#else
#define MAY_STOP wasRolledBack
#endif

#define EPOCHS 10        /* more than the faults of any configuration make; an epoch too many is an error of spin */

#define NONE 3           /* no stream */
#define STICK 2          /* the carrier that is no stream: it outlives crashes and says nothing back */
#define GAPS 3           /* R1: numbers in a row that leave a gap; InboundStream.gapLimit */
#define IN(set, k) (((set) >> (k)) & 1)
#define UPTO(k) ((2 << (k)) - 2)          /* the set 1...k */

#if RESERVES > 0 && !defined(MUTATION_RESERVE_DROPS)
#define BELOW_RESERVE isBelowReserve
#else
#define BELOW_RESERVE false
#endif
#ifdef MUTATION_HAVE_APART
#define READING (pending == 0)
#else
#define READING (!BELOW_RESERVE)          /* R4: below the reserve nothing is read */
#endif

#ifdef MUTATION_OLD_HAVE
#define HAVE_TO_READ (current != NONE && (len(toOrigin[0]) > 0 || len(toOrigin[1]) > 0))
#else
#define HAVE_TO_READ (current != NONE && len(toOrigin[current]) > 0)
#endif

#ifdef AFTER
#define READ toDestination[from]?kind, e, n, tag, after
#else
#define READ toDestination[from]?kind, e, n, tag
#endif

/* An entry that the destination dropped leaves a gap behind it, until the stream ends. */
#if !defined(MUTATION_RESERVE_DROPS) && !defined(MUTATION_REFUSED_UNCOUNTED) && !defined(MUTATION_SKIP_VOID)
#define GAPS_ARE_ERRORS
#endif

mtype = { entry, void, ask, question };

/* Carriers: two sockets, of which at most one carries the lane and the other is a past one, and the stick. */
#ifdef AFTER
chan toDestination[3] = [WINDOW + 1] of { mtype, byte, byte, byte, byte };   /* kind, epoch, n, tag, after */
#else
chan toDestination[3] = [WINDOW + 1] of { mtype, byte, byte, byte };         /* kind, epoch, n, tag */
#endif
/* <have/>: epoch (0: nothing known), n, tag; the epoch that ended; for the answer to a question the remembered tags, with bit 0
   for the answer itself, and whether those are all there ever were */
chan toOrigin[2] = [2] of { byte, byte, byte, byte, byte, bool };

/* ---- The origin's store: `lane` and `entry`. Entries floor+1...assigned are there; those up to acked are kept. ---- */
byte epoch;              /* 0: no lane yet */
byte base;               /* the place before number 1 */
byte assigned;           /* places, like all that follow */
byte ackedOnDisk;        /* S3: acknowledging is a lazy write */
byte floor;              /* what stood up to here is gone */
byte onceAcked;          /* up to here everything was acknowledged once */
byte tagOf[ENTRIES + 1];
byte voidOf;             /* set of places whose entry is a void */
byte knows;              /* set of epochs of which it is known where they begin: baseOf */
bool stopped;

/* ---- The origin's memory: OutgoingLane, PeerLink.state ---- */
byte acked;              /* the open transaction's view of `lane` */
byte current = NONE;     /* the stream that carries the lane */
bool isOpen;             /* the peer said what it has on this stream */
byte nextToSend = 1;
byte bornBefore;         /* the last place given before this process began: only those have a history that this store may not know */
bool isParting;          /* the peer was asked for its tags */
bool hasEnded;           /* the peer has replaced this numbering before */
bool wasAsked;           /* nothing changed since the last question: another one would learn the same */
byte written;            /* the last number that was perhaps written to a carrier; after a boot nobody knows: all of them */
#ifdef AFTER
byte peerTag;            /* what the peer's have carried when it knew another numbering */
#endif

/* ---- The destination's store: `have`, and what was delivered by the same transactions ---- */
byte haveEpoch;
byte haveN;
byte haveTag;
byte retired;            /* set of epochs */
byte delivered;          /* set of stanzas */
byte lastDelivered;
byte history;            /* set of the last HISTORY tags */
bool hasForgotten;       /* there were more */

/* ---- The destination's memory ---- */
bool reads[2];           /* the socket is there */
bool due[2];             /* HaveState.isDue */
byte gaps[2];
bool dueAnswer[2];       /* the peer wants the tags as well */
byte ended;              /* HaveState.ended: said with the next have */
bool isBelowReserve;
#ifdef MUTATION_HAVE_APART
byte pending;            /* counted by an earlier transaction, still to be delivered */
#endif

/* ---- A backup ---- */
#ifdef RESTORE_ORIGIN
bool hasBackup;
byte oldEpoch; byte oldBase; byte oldAssigned; byte oldAcked; byte oldFloor; byte oldOnceAcked; byte oldVoidOf;
byte oldTagOf[ENTRIES + 1];
byte oldKnows;
#endif
#ifdef RESTORE_DESTINATION
bool hasOtherBackup;
byte oldHaveEpoch; byte oldHaveN; byte oldHaveTag; byte oldDelivered; byte oldLastDelivered; byte oldRetired; byte oldHistory;
bool oldHasForgotten;
#endif

/* ---- What only the judge knows ---- */
byte accepted;           /* stanzas handed over: 1...accepted */
byte epochs;             /* epochs ever made */
byte baseOf[EPOCHS];     /* the place before number 1 of each: it never changes */
byte arrived;            /* set of stanzas ever delivered to a user, whatever was restored since */
byte bounced;            /* set of stanzas whose sender was told that they were not delivered, or not confirmed */
byte denied;             /* set of stanzas whose sender was told that they were certainly not delivered */
byte emitted;            /* the greatest number of any <have/> that left */
bool wasRolledBack;
byte everTrimmed;        /* the greatest floor ever, whatever was restored since */
byte cuts = CUTS;
byte crashes = CRASHES;
byte voids = VOIDS;
byte sticks = STICKS;
byte reserves = RESERVES;
byte trims = TRIMS;
byte rollbacks = ROLLBACKS;
byte k;                  /* scratch, 0 between steps */

/* ==== The origin ==== */

/* S1, Federation.append: log, number, entry and lane in one transaction with the client's counter. */
inline accept() {
    accepted++;
    if
    :: epoch == 0 -> beginEpoch(0)
    :: else
    fi;
    assigned++;
    tagOf[assigned] = accepted;
    ackedOnDisk = acked                    /* a binding commit takes the lazy writes along */
}

/* LaneRow.renumber: what stands behind place `p` is 1, 2, 3 … of a new epoch. */
inline beginEpoch(p) {
    epochs++;
    epoch = epochs;
    knows = knows | (1 << epoch);
    baseOf[epoch] = p;
    hasEnded = false;
    base = p
}

/* S2, Federation.dialed and beginRelay: a socket `s`; whatever it still held is lost. `ask` is decision 0001. */
inline dial(s) {
    forget(s);
    reads[s] = true;
    current = s;
    isOpen = false;
    isParting = false;
    hasEnded = false;
    wasAsked = false;
    nextToSend = acked + 1;
    sendAsk(s, ask)
}

inline sendAsk(s, what) {
#ifdef AFTER
    toDestination[s]!what, 0, 0, 0, 0
#else
    toDestination[s]!what, 0, 0, 0
#endif
}

/* S3, Federation.pump and write, writeVoid: the next entry within the window; lost if the other end is gone. */
inline pump() {
#ifdef MUTATION_SKIP_VOID
    if
    :: IN(voidOf, nextToSend)
    :: else -> write(current, nextToSend, reads[current])
    fi;
#else
    write(current, nextToSend, reads[current]);
#endif
#ifdef MUTATION_REMOVE_AT_SEND
    acked = nextToSend;
    ackedOnDisk = acked;
    floor = acked;
#endif
    if
    :: nextToSend > written -> written = nextToSend
    :: else
    fi;
    nextToSend++;
    wasAsked = false
}

inline write(carrier, n, isThere) {
    if
    :: isThere ->
#ifdef AFTER
        toDestination[carrier]!(IN(voidOf, n) -> void : entry), epoch, n - base, tagOf[n], (n == base + 1 -> peerTag : tagOf[n - 1])
#else
        toDestination[carrier]!(IN(voidOf, n) -> void : entry), epoch, n - base, tagOf[n]
#endif
    :: else
    fi
}

#define PLACE (baseOf[e] + n)

#ifdef MUTATION_NO_TAG
#define TAG_IS_OURS true
#else
#define TAG_IS_OURS (tagOf[PLACE] == tag)
#endif

/* Nothing was acknowledged in this epoch, and nothing says that it was tried before. */
#define IS_FRESH (acked == base && !hasEnded)

/* S2 and S3, Federation.receivedHave and OutgoingLane.verdict(on:). */
inline receivedHave() {
    if
    :: x != 0 && x == epoch -> hasEnded = true
    :: else
    fi;
    if
    :: stopped
    :: !stopped && isParting && !IN(known, 0)                  /* what we wait for comes behind it */
    :: !stopped && IN(known, 0) -> isParting = false; parted()
    :: !stopped && !isParting && !IN(known, 0) -> compare()
    fi
}

inline compare() {
    if
    :: epoch == 0 -> replaces(tag)
    /* The peer's store is lost: everything that is kept is sent. */
    :: epoch != 0 && e == 0 -> beginAfter(floor)
    :: epoch != 0 && e != 0 && IN(knows, e) && !hasEnded ->
        if
        /* An epoch of ours, as far as the numbers say: to this place our histories are the same. */
        :: PLACE >= floor && PLACE <= assigned && TAG_IS_OURS ->
            k = PLACE;
            if
            :: e == epoch -> k = 0; acknowledge()
            :: else -> beginAfter(k)
            fi
        /* The peer went back behind what is kept. */
        :: PLACE < floor -> stop()
        :: else -> part()
        fi
    :: else -> part()
    fi
}

/* The peer has everything up to place `p`, and nothing behind it. */
inline beginAfter(p) {
    if
    :: IS_FRESH && base == p
    :: else ->
#ifdef MUTATION_PART_AT_ACKED
        beginEpoch(acked);
#else
        beginEpoch(p);
#endif
#ifdef WITNESS_AGAIN
        assert(base >= acked);
#endif
        acked = base;
        ackedOnDisk = acked;
        nextToSend = acked + 1;
        wasAsked = false
    fi;
    k = 0;
    replaces(tag)
}

/* The first entry names what the peer has, so it is written again when that turns out to be another. */
inline replaces(t) {
#ifdef AFTER
    if
    :: peerTag != t -> peerTag = t; nextToSend = acked + 1
    :: else
    fi;
#endif
    isOpen = true
}

/* What the peer has is none of ours, as far as we know: one of the two stores went back, or ours is new. */
inline part() {
    if
    /* It has more of this numbering than we know, or something else. */
    :: e != 0 && e == epoch && HISTORY > 0 -> hasEnded = true
    :: else
    fi;
    if
    /* Nothing is there that the peer could have or lack: a new store. */
    :: IS_FRESH && e != epoch && bornBefore <= acked && floor == acked -> replaces(tag)
    :: else ->
#if HISTORY > 0
        isOpen = false;
        isParting = true;
        wasAsked = false;
        sendAsk(current, question)
#else
        if
        :: IS_FRESH && e != epoch -> replaces(tag)
        :: else -> stop()
        fi
#endif
    fi
}

/* S2, OutgoingLane.verdict(onHistory:): the last of our entries that the peer remembers. */
inline parted() {
    k = assigned;
    do
    :: k > 0 && k >= floor && !IN(known, tagOf[k]) -> k--
    :: else -> break
    od;
    if
    :: k > 0 && k >= floor ->
#ifdef WITNESS_PARTED
        assert(false);
#endif
        beginAfter(k)
    /* It has nothing of ours, and everything of ours is here. */
    :: !(k > 0 && k >= floor) && all && floor == 0 -> beginAfter(0)
    /* Nobody can tell: what the backup has brought along may be there. */
    :: !(k > 0 && k >= floor) && !(all && floor == 0) ->
        if
        :: !all && bornBefore <= acked -> beginAfter(acked)
        :: else -> stop()
        fi
    fi;
    k = 0
}

/* Promise: no stop without a rollback, and none where everything is kept and remembered (invariant 7). */
inline stop() {
    assert(MAY_STOP || stopped);
#ifdef WITNESS_STOP
    assert(false);
#endif
    stopped = true;
    isOpen = false;
    ackedOnDisk = acked
}

/* Federation.acknowledge, lazily: forwards, or back to where the peer went back to. Promises: nothing counts as the peer's that
   neither arrived nor was bounced (no loss, invariant 5, and no wrong removal, invariant 7); acked ≤ emitted ≤ have ≤ assigned
   (invariant 1). */
inline acknowledge() {
    isOpen = true;
    if
    :: PLACE > acked ->
        k = acked + 1;
        do
        :: k <= PLACE -> assert(IN(arrived | bounced, tagOf[k])); k++
        :: else -> break
        od;
        k = 0;
        assert(wasRolledBack || (n <= emitted && emitted <= haveN && haveN <= assigned - base));
        acked = PLACE;
        wasAsked = false;
        if
        :: acked > onceAcked -> onceAcked = acked
        :: else
        fi;
        if
        :: nextToSend <= acked -> nextToSend = acked + 1
        :: else
        fi
#ifndef MUTATION_NOT_AGAIN
    :: PLACE < acked ->
        assert(wasRolledBack);
#ifdef WITNESS_AGAIN
        assert(false);
#endif
        acked = PLACE;
        nextToSend = acked + 1;
        wasAsked = false
#endif
    :: else
    fi
}

/* S4, Federation.streamLost: the only repair is another stream. What the old one holds may still be read over there. */
inline streamLost() {
#ifndef MUTATION_OLD_HAVE
    clearHaves(current);
#endif
    current = NONE;
    isOpen = false;
    isParting = false;
    hasEnded = false;
    wasAsked = false;
    nextToSend = acked + 1
}

/* S5, Federation.expire and void: the entry becomes a void and its sender is answered, in one transaction. Promise: who is
   told "not delivered" is told the truth; who is told "may have arrived" knows as much as we do. */
inline expire(n) {
    voidOf = voidOf | (1 << n);
    /* What was acknowledged before and is sent again expires without a word: its sender has nothing to learn. */
    bounced = bounced | (1 << tagOf[n]);
#ifdef MUTATION_SENT_FORGOTTEN
    if
    :: n < nextToSend
#else
    if
    :: n <= written || n <= onceAcked
#endif
    :: else ->
        assert(wasRolledBack || !IN(arrived, tagOf[n]));
        denied = denied | (1 << tagOf[n])
    fi;
    ackedOnDisk = acked
}

/* Process death: memory goes, the store stays; the lazy writes since the last commit go too. */
inline crashOrigin() {
    if
    :: current != NONE -> streamLost()
    :: else
    fi;
    boot()
}

/* Federation.boot. */
inline boot() {
    acked = ackedOnDisk;
    nextToSend = acked + 1;
    bornBefore = assigned;
    written = assigned
#ifdef AFTER
    ; peerTag = 0
#endif
}

/* A bundle: what waits, in order, as far as the stick has room. Writing it counts as writing to a stream. */
inline export() {
    k = acked + 1;
    do
    :: k <= assigned && len(toDestination[STICK]) < WINDOW ->
        write(STICK, k, true);
        if
        :: k > written -> written = k
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0
}

/* ==== The destination ==== */

#ifdef AFTER
#define FOLLOWS (after == haveTag)
#else
#define FOLLOWS true
#endif

#if defined(MUTATION_TAKE_GAP)
#define NEXT(n) ((n) > haveN)
#elif defined(MUTATION_TAKE_AGAIN)
#define NEXT(n) ((n) <= haveN + 1)
#else
#define NEXT(n) ((n) == haveN + 1)
#endif

#ifdef MUTATION_RETIRED_FORGOTTEN
#define RETIRED(e) false
#else
#define RETIRED(e) IN(retired, e)
#endif

/* Tags are taken in the order in which they were given, so that the smallest of them is the oldest. */
#define FEWER(set) ((set) & ((set) - 1))
#if HISTORY >= ENTRIES
#define TOO_MANY(set) false
#elif HISTORY == 1
#define TOO_MANY(set) (FEWER(set) != 0)
#else
#define TOO_MANY(set) (FEWER(FEWER(set)) != 0)
#endif

/* R1 and R3, Federation.receivedEntry, HaveState.verdict(on:) and took: the number moves in the transaction of the delivery. */
inline receivedEntry() {
    if
#ifdef MUTATION_RESERVE_DROPS
    :: isBelowReserve
#endif
#ifdef MUTATION_REFUSED_UNCOUNTED
    :: kind == entry && tag == REFUSED -> bounced = bounced | (1 << tag)
#endif
    :: else ->
        if
        :: RETIRED(e) ->                                 /* an ended numbering: dropped, and its origin told */
            if
            :: n == 1 && FOLLOWS -> ended = e
            :: else
            fi
        :: !RETIRED(e) && e == haveEpoch && NEXT(n) && FOLLOWS -> take()
        :: !RETIRED(e) && e == haveEpoch && n > haveN && !(NEXT(n) && FOLLOWS) -> gap()
        :: !RETIRED(e) && e == haveEpoch && n <= haveN && !NEXT(n)       /* here already: dropped */
        :: !RETIRED(e) && e != haveEpoch && n == 1 && FOLLOWS ->
            retired = retired | (haveEpoch == 0 -> 0 : 1 << haveEpoch);
            take()
        :: !RETIRED(e) && e != haveEpoch && !(n == 1 && FOLLOWS) -> gap()
        fi;
        if
        :: from != STICK && reads[from] -> due[from] = true              /* R2, Federation.makeDue */
        :: else
        fi
    fi
}

/* Promise: no gap without a rollback; go-back-n always begins behind what the peer has. */
inline gap() {
#ifdef GAPS_ARE_ERRORS
    assert(wasRolledBack == true);
#endif
    if
    :: from != STICK ->
        gaps[from]++;
        if
        :: gaps[from] == GAPS -> reads[from] = false; forget(from)
        :: else
        fi
    :: else
    fi
}

inline take() {
    haveEpoch = e;
    haveN = n;
    haveTag = tag;
#if HISTORY > 0
    history = history | (1 << tag);
    if
    :: TOO_MANY(history) -> history = history & (history - 1); hasForgotten = true
    :: else
    fi;
#endif
    if
    :: from != STICK -> gaps[from] = 0
    :: else
    fi;
#ifdef MUTATION_HAVE_APART
    if
    :: kind == entry -> pending = tag
    :: else
    fi
#else
    if
    :: kind == entry && tag == REFUSED -> bounced = bounced | (1 << tag)
    :: kind == entry && tag != REFUSED -> deliver(tag)
    :: else
    fi
#endif
}

/* Promises: no duplicate, order, and nothing that its sender was told would not arrive (invariants 5 and 6). */
inline deliver(stanza) {
    assert(!IN(delivered, stanza));
    /* What a lost store lacks beyond what is kept an older backup may still bring, late. */
    assert((TRIMS > 0 && wasRolledBack) || stanza > lastDelivered);
    assert(wasRolledBack || !IN(denied, stanza));
    delivered = delivered | (1 << stanza);
    arrived = arrived | (1 << stanza);
    lastDelivered = stanza
}

/* R2, Federation.sendDueHaves: after the commit. What goes to a stream that the origin has given up is ignored there. */
inline sendHave(i) {
    due[i] = false;
    assert(wasRolledBack || emitted <= haveN);
    emitted = haveN;
#ifdef MUTATION_OLD_HAVE
    toOrigin[i]!haveEpoch, haveN, haveTag, ended, (dueAnswer[i] -> history | 1 : 0), !hasForgotten;
#else
    if
    :: i == current -> toOrigin[i]!haveEpoch, haveN, haveTag, ended, (dueAnswer[i] -> history | 1 : 0), !hasForgotten
    :: else
    fi;
#endif
    ended = 0;
    dueAnswer[i] = false
}

/* Process death: the sockets go with what was not read; haves that left may still arrive. */
inline crashDestination() {
    clearStanzas(0);
    clearStanzas(1);
    reads[0] = false; reads[1] = false;
    due[0] = false; due[1] = false;
    dueAnswer[0] = false; dueAnswer[1] = false;
    ended = 0;
    gaps[0] = 0; gaps[1] = 0
#ifdef MUTATION_HAVE_APART
    ; pending = 0
#endif
}

inline clearStanzas(i) {
    do
#ifdef AFTER
    :: len(toDestination[i]) > 0 -> toDestination[i]?_, _, _, _, _
#else
    :: len(toDestination[i]) > 0 -> toDestination[i]?_, _, _, _
#endif
    :: else -> break
    od
}

inline clearHaves(i) {
    do
    :: len(toOrigin[i]) > 0 -> toOrigin[i]?_, _, _, _, _, _
    :: else -> break
    od
}

/* Both directions of a socket are gone. */
inline forget(s) {
    clearStanzas(s);
    clearHaves(s);
    due[s] = false;
    dueAnswer[s] = false;
    gaps[s] = 0
}

/* ==== The two sites ==== */

#define WAITS (assigned > acked)
#define UNDERWAY (nextToSend - 1 - acked)
#define NOTHING_MOVES (len(toDestination[current]) == 0 && !due[current] && len(toOrigin[current]) == 0)

active proctype Origin() {
    byte e, n, tag, x, known, s;
    bool all;
end:
    do
    :: atomic { accepted < ENTRIES && assigned < ENTRIES -> accept() }
    :: atomic {
        current == NONE && !stopped ->
        if
        :: s = 0
        :: s = 1
        fi;
        dial(s);
        s = 0
       }
    :: atomic {
        current != NONE && isOpen && nextToSend <= assigned && UNDERWAY < WINDOW && len(toDestination[current]) <= WINDOW ->
        pump()
       }
    :: atomic {
        HAVE_TO_READ ->
        if
        :: current != NONE && len(toOrigin[current]) > 0 -> toOrigin[current]?e, n, tag, x, known, all
#ifdef MUTATION_OLD_HAVE
        :: current != NONE && len(toOrigin[1 - current]) > 0 -> toOrigin[1 - current]?e, n, tag, x, known, all
#endif
        fi;
        receivedHave();
        e = 0; n = 0; tag = 0; x = 0; known = 0; all = false
       }
    /* The lazy writes are committed after 100 ms at the latest (SiteDriver). */
    :: atomic { acked != ackedOnDisk -> ackedOnDisk = acked }
    /* S4: the socket's other end is gone and nothing can come any more. */
    :: atomic { current != NONE && !stopped && !reads[current] && len(toOrigin[current]) == 0 -> streamLost() }
    /* S4, Federation.silenceNoticed: an answer is owed, and nothing is under way. */
    :: atomic {
        current != NONE && !stopped && reads[current] && !wasAsked && (UNDERWAY > 0 || !isOpen) && NOTHING_MOVES ->
        wasAsked = true;
        sendAsk(current, ask)
       }
    od
}

active proctype Destination() {
    mtype kind;
    byte e, n, tag, after, from;
end:
    do
    :: atomic {
        READING && (len(toDestination[0]) > 0 || len(toDestination[1]) > 0 || len(toDestination[STICK]) > 0) ->
        if
        :: len(toDestination[0]) > 0
        :: len(toDestination[1]) > 0 -> from = 1
        :: len(toDestination[STICK]) > 0 -> from = STICK
        fi;
        READ;
        if
        :: kind == ask -> due[from] = true
        :: kind == question -> due[from] = true; dueAnswer[from] = true
        :: else -> receivedEntry()
        fi;
        kind = 0; e = 0; n = 0; tag = 0; after = 0; from = 0
       }
    :: atomic { due[0] && len(toOrigin[0]) < 2 -> sendHave(0) }
    :: atomic { due[1] && len(toOrigin[1]) < 2 -> sendHave(1) }
#ifdef MUTATION_HAVE_APART
    :: atomic { pending != 0 -> deliver(pending); pending = 0 }
#endif
#ifdef MUTATION_HAVE_BEFORE_COMMIT
    /* Counted in memory and said, but a crash may still come before the entry is taken over. */
    :: atomic {
        current != NONE && current < 2 && toDestination[current]?[entry, _, _, _] && len(toOrigin[current]) < 2 ->
        toDestination[current]?<kind, e, n, tag>;
        if
        :: e == epoch && n == haveN + 1 && toOrigin[current]??[eval(e), eval(n), eval(tag), 0, 0, true] == 0 ->
            emitted = n;
            toOrigin[current]!e, n, tag, 0, 0, true
        :: else
        fi;
        kind = 0; e = 0; n = 0; tag = 0
       }
#endif
    :: atomic { isBelowReserve -> isBelowReserve = false }
    od
}

/* ==== Faults, the operator, the judge ==== */

#define CAN_EXPIRE(n) (n > acked && n <= assigned && !IN(voidOf, n))

/* The process ends and another store is put in its place. */
inline rollBackOrigin() {
    rollbacks--;
    wasRolledBack = true;
    crashOrigin();
#ifndef LATE_AFTER_RESTORE
    forget(0); forget(1); clearStanzas(STICK);
    reads[0] = false; reads[1] = false;
#endif
    stopped = false
}

/*
 * Nothing can happen any more. Promises: the queue is drained, with a rollback the lane may be stopped instead; each stanza
 * that the origin's store knows was delivered or bounced (invariant 5), and without a rollback that are all of them.
 */
inline judge() {
    if
    :: wasRolledBack && stopped
#ifdef REST_NOT_JUDGED
    :: true
#endif
    :: else ->
        assert(!stopped);
        assert(accepted == ENTRIES || assigned == ENTRIES);
        assert(acked == assigned);
        /* What was trimmed once may have been missing at the peer then, and was given up; a backup that still has it changes nothing. */
        k = (wasRolledBack -> everTrimmed + 1 : 1);
        do
        :: k <= assigned -> assert(IN(delivered | bounced, tagOf[k])); k++
        :: else -> break
        od;
        k = 0;
        assert(wasRolledBack || ((delivered | bounced) == UPTO(ENTRIES)))
    fi
#ifdef WITNESS_REST
    ; assert(false)
#endif
}

active proctype Trouble() {
end:
    do
    :: atomic { cuts > 0 && current != NONE -> cuts--; streamLost() }
    :: atomic { crashes > 0 -> crashes--; crashOrigin() }
    :: atomic { crashes > 0 -> crashes--; crashDestination() }
    :: atomic {
        voids > 0 && (CAN_EXPIRE(1) || CAN_EXPIRE(2) || CAN_EXPIRE(3) || CAN_EXPIRE(4)) ->
        voids--;
        if
        :: CAN_EXPIRE(1) -> k = 1
        :: CAN_EXPIRE(2) -> k = 2
        :: CAN_EXPIRE(3) -> k = 3
        :: CAN_EXPIRE(4) -> k = 4
        fi;
        expire(k);
        k = 0
       }
    :: atomic { sticks > 0 && WAITS -> sticks--; clearStanzas(STICK); export() }
    :: atomic { reserves > 0 -> reserves--; isBelowReserve = true }
    /* Federation.trim, lazily. */
    :: atomic { trims > 0 && floor < acked && floor < ackedOnDisk -> trims--; floor++; everTrimmed = (floor > everTrimmed -> floor : everTrimmed) }
#ifdef RESTORE_ORIGIN
    :: atomic {
        !hasBackup && epoch != 0 ->
        hasBackup = true;
        oldEpoch = epoch; oldBase = base; oldAssigned = assigned; oldAcked = ackedOnDisk; oldFloor = floor;
        oldOnceAcked = onceAcked; oldVoidOf = voidOf; oldKnows = knows;
        k = 1;
        do
        :: k <= ENTRIES -> oldTagOf[k] = tagOf[k]; k++
        :: else -> break
        od;
        k = 0
       }
    :: atomic {
        rollbacks > 0 && hasBackup ->
        rollBackOrigin();
        epoch = oldEpoch; base = oldBase; assigned = oldAssigned; ackedOnDisk = oldAcked; floor = oldFloor;
        onceAcked = oldOnceAcked; voidOf = oldVoidOf; knows = oldKnows;
        k = 1;
        do
        :: k <= ENTRIES -> tagOf[k] = oldTagOf[k]; k++
        :: else -> break
        od;
        k = 0;
#ifdef TAKE_AGAIN
        if
        :: hasBackup = false
        :: true
        fi;
#endif
        boot()
       }
#endif
#ifdef NEW_ORIGIN
    :: atomic {
        rollbacks > 0 && epoch != 0 ->
        rollBackOrigin();
        epoch = 0; base = 0; assigned = 0; ackedOnDisk = 0; floor = 0; onceAcked = 0; voidOf = 0; knows = 0;
        boot()
       }
#endif
#ifdef RESTORE_DESTINATION
    :: atomic {
        !hasOtherBackup ->
        hasOtherBackup = true;
        oldHaveEpoch = haveEpoch; oldHaveN = haveN; oldHaveTag = haveTag; oldDelivered = delivered;
        oldLastDelivered = lastDelivered; oldRetired = retired; oldHistory = history; oldHasForgotten = hasForgotten
       }
    :: atomic {
        rollbacks > 0 && hasOtherBackup ->
        rollbacks--;
        wasRolledBack = true;
        crashDestination();
        haveEpoch = oldHaveEpoch; haveN = oldHaveN; haveTag = oldHaveTag; delivered = oldDelivered;
        lastDelivered = oldLastDelivered; retired = oldRetired; history = oldHistory; hasForgotten = oldHasForgotten
#ifdef TAKE_AGAIN
        ;
        if
        :: hasOtherBackup = false
        :: true
        fi
#endif
       }
#endif
#ifdef NEW_DESTINATION
    :: atomic {
        rollbacks > 0 && haveEpoch != 0 ->
        rollbacks--;
        wasRolledBack = true;
        crashDestination();
        haveEpoch = 0; haveN = 0; haveTag = 0; delivered = 0; lastDelivered = 0; retired = 0; history = 0; hasForgotten = false
       }
#endif
    :: atomic { timeout -> judge(); break }
    od
}

#ifdef LIVENESS
#define AT_REST (stopped || (accepted == ENTRIES && acked == assigned))
/* Promise: when the faults have ended, the queue drains and stays so. */
ltl drains { <>[] AT_REST }
#endif
