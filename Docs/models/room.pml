/*
 * A room shared by offices (../shared-rooms.md), for spin: the changes of three copies, without messages, which need no merging.
 *
 * Modelled: changes that are numbered in runs, with what they had seen; stamps of a Lamport clock, each lane first in, first out; lines that are
 * cut and repaired; entries that are gone from a lane; crashes, after which a new run begins; a backup of one office restored at any moment, also while
 * what it had sent is under way; marks, by which a copy learns what it lacks, and the answer to it. The merge: owners A and B, who live in
 * offices 0 and 1, may be lowered and raised; D, of office 2, may be given membership and banned.
 *
 * A change is a number (its slot), given once; who wrote it, what and when stands in tables that only grow, since records never change. A copy is
 * the set of slots that it has. Its state is computed by `fold` from that set, in the order of stamps, as the code does where something
 * comes late. A step is one `atomic`: a turn and its commit, with the lane entries that it writes.
 *
 * -D: CHANGES CUTS CRASHES GONE RESTORES (budgets), MUTATION_* (an error that must be found), WITNESS_* (a state that must be reachable).
 */
#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef CUTS
#define CUTS 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef GONE
#define GONE 0
#endif
#ifndef RESTORES
#define RESTORES 0
#endif

#define IN(set, k) (((set) >> (k)) & 1)
#define FULL ((1 << CHANGES) - 1)

/* What can be written: lower A, lower B, raise A, raise B, make D a member, ban D, take D's membership. */
mtype = { lowerA, lowerB, raiseA, raiseB, grantD, banD, dropD };

/* ---- The records: written once ---- */
byte written;                 /* slots given */
mtype what[CHANGES];
byte office[CHANGES];
byte stamp[CHANGES];
byte seen[CHANGES];           /* what its office had: a set of slots */
byte row[CHANGES];            /* a number that is never given twice ... */
byte number[CHANGES];         /* ... and the place in it */

/* ---- The stores ---- */
byte has[3];                  /* a set of slots */
byte clock[3];
byte runOf[3];                /* 0: none begun since the start */
byte next[3];
byte runs;
byte backupHas[3]; byte backupClock[3]; byte backupRun[3]; byte backupNext[3];
bool hasBackup;

/* ---- Lanes: slots on the way; the lane from i to j is 3 * i + j ---- */
chan lane[9] = [CHANGES] of { byte };
bool isCut[3];                /* an office that is cut off */

byte cuts = CUTS; byte crashes = CRASHES; byte gone = GONE; byte restores = RESTORES;
byte i; byte j; byte k; byte s; byte best; byte done;

/* ---- The merge ---- */
bool ownerA; bool ownerB; byte d;         /* d: 0 banned, 1 none, 2 member */
byte takenD; byte takenA; byte takenB;    /* lowerings, sets of slots */
byte stands;                              /* what took effect */

#ifdef MUTATION_NO_OWNER_RULE
#define LAST(other) false
#else
#define LAST(other) (!(other))
#endif
#ifdef MUTATION_GRANT_WINS
#define UNKNOWN(taken) false
#else
#define UNKNOWN(taken) (((taken) & ~seen[best]) != 0)
#endif
/* Office 0 speaks for A, office 1 for B; D has no rights. */
#define RIGHT ((office[best] == 0 && ownerA) || (office[best] == 1 && ownerB))

inline apply() {
    if
    :: !RIGHT
    :: RIGHT && what[best] == lowerA -> if :: ownerA && !LAST(ownerB) -> ownerA = false; takenA = takenA | (1 << best); stands = stands | (1 << best) :: else fi
    :: RIGHT && what[best] == lowerB -> if :: ownerB && !LAST(ownerA) -> ownerB = false; takenB = takenB | (1 << best); stands = stands | (1 << best) :: else fi
    :: RIGHT && what[best] == raiseA -> if :: !ownerA && !UNKNOWN(takenA) -> ownerA = true; stands = stands | (1 << best) :: else fi
    :: RIGHT && what[best] == raiseB -> if :: !ownerB && !UNKNOWN(takenB) -> ownerB = true; stands = stands | (1 << best) :: else fi
    :: RIGHT && what[best] == grantD -> if :: d < 2 && !UNKNOWN(takenD) -> d = 2; stands = stands | (1 << best) :: else fi
    :: RIGHT && what[best] == banD -> if :: d > 0 -> d = 0; takenD = takenD | (1 << best); stands = stands | (1 << best) :: else fi
    :: RIGHT && what[best] == dropD ->
        if
        :: d == 2 -> d = 1; takenD = takenD | (1 << best); stands = stands | (1 << best)
        :: d == 0 && !UNKNOWN(takenD) -> d = 1; stands = stands | (1 << best)
        :: else
        fi
    fi;
    /* invariant: an owner remains */
    assert(ownerA || ownerB)
}

/* The state of a set of records: in the order of stamp, then office, of those whose predecessors are all there. */
inline fold(set) {
    ownerA = true; ownerB = true; d = 1; takenA = 0; takenB = 0; takenD = 0; stands = 0; done = 0;
    do
    :: done != (set) ->
        best = CHANGES; s = 0;
        do
        :: s < CHANGES ->
            if
            :: IN(set, s) && !IN(done, s) && (best == CHANGES || stamp[s] < stamp[best] || (stamp[s] == stamp[best] && office[s] < office[best])) -> best = s
            :: else
            fi;
            s++
        :: else -> break
        od;
        done = done | (1 << best);
        /* one that waits for what it knew does not count */
        if
        :: (seen[best] & ~(set)) == 0 -> apply()
        :: else
        fi
    :: else -> break
    od;
    best = 0; s = 0; done = 0
}

/* An office writes what its copy allows; rights are judged as everywhere, by the merge with the new change as the last. */
inline write(o, w) {
    clock[o]++;
    if
    :: runOf[o] == 0 -> runs++; runOf[o] = runs; next[o] = 0
    :: else
    fi;
    next[o]++;
    what[written] = w; office[written] = o; stamp[written] = clock[o]; seen[written] = has[o];
    row[written] = runOf[o]; number[written] = next[o];
    /* no two records have one name */
    k = 0;
    do
    :: k < written -> assert(row[k] != row[written] || number[k] != number[written]); k++
    :: else -> break
    od;
    k = written;
    written++;
    fold(has[o] | (1 << k));
    if
    :: IN(stands, k) ->
        has[o] = has[o] | (1 << k);
        j = 0;
        do
        :: j < 3 -> if :: j != o -> lane[3 * o + j]!k :: else fi; j++
        :: else -> break
        od
    :: else ->                           /* refused to its author at once: it was never there */
        written--; next[o]--; clock[o]--;
        if :: next[o] == 0 -> runs--; runOf[o] = 0 :: else fi;
        what[written] = 0; office[written] = 0; stamp[written] = 0; seen[written] = 0; row[written] = 0; number[written] = 0
    fi;
    forget()
}

/* What only steps need is not part of the state. */
inline forget() { ownerA = false; ownerB = false; d = 0; takenA = 0; takenB = 0; takenD = 0; stands = 0; i = 0; j = 0; k = 0 }

inline take(o, from) {
    lane[3 * from + o]?k;
    if
    :: !IN(has[o], k) ->
        /* a line is taken in order: whatever stands before it in its run has to be there */
        s = 0; best = 1;
        do
        :: s < CHANGES -> if :: s < written && row[s] == row[k] && number[s] < number[k] && !IN(has[o], s) -> best = 0 :: else fi; s++
        :: else -> break
        od;
#ifdef MUTATION_TAKE_GAP
        best = 1;
#endif
        if
        :: best == 1 -> has[o] = has[o] | (1 << k); if :: stamp[k] > clock[o] -> clock[o] = stamp[k] :: else fi
        :: else                          /* asked for again by the next mark */
        fi
    :: else
    fi;
    s = 0; best = 0; k = 0
}

#define QUIET (empty(lane[1]) && empty(lane[2]) && empty(lane[3]) && empty(lane[5]) && empty(lane[6]) && empty(lane[7]))
#ifdef MUTATION_NO_MARKS
#define HEALED true
#else
#define HEALED SAME
#endif
#define SAME (has[0] == has[1] && has[1] == has[2])

active proctype Room() {
    do
    /* changes */
    :: atomic { written < CHANGES -> if
        :: write(0, lowerB) :: write(0, raiseB) :: write(0, lowerA) :: write(0, banD) :: write(0, grantD) :: write(0, dropD)
        :: write(1, lowerA) :: write(1, raiseA) :: write(1, lowerB) :: write(1, banD) :: write(1, grantD) :: write(1, dropD)
        fi }
    /* lanes */
    :: atomic { nempty(lane[1]) && !isCut[0] && !isCut[1] -> take(1, 0) }
    :: atomic { nempty(lane[2]) && !isCut[0] && !isCut[2] -> take(2, 0) }
    :: atomic { nempty(lane[3]) && !isCut[1] && !isCut[0] -> take(0, 1) }
    :: atomic { nempty(lane[5]) && !isCut[1] && !isCut[2] -> take(2, 1) }
    :: atomic { nempty(lane[6]) && !isCut[2] && !isCut[0] -> take(0, 2) }
    :: atomic { nempty(lane[7]) && !isCut[2] && !isCut[1] -> take(1, 2) }
    /* faults */
    :: atomic { cuts > 0 -> cuts--; if :: isCut[0] = true :: isCut[1] = true :: isCut[2] = true fi }
    :: atomic { isCut[0] -> isCut[0] = false }
    :: atomic { isCut[1] -> isCut[1] = false }
    :: atomic { isCut[2] -> isCut[2] = false }
#ifndef MUTATION_SAME_RUN
    :: atomic { crashes > 0 -> crashes--; if :: runOf[0] = 0; next[0] = 0 :: runOf[1] = 0; next[1] = 0 fi }
#endif
    :: atomic { gone > 0 && nempty(lane[1]) -> gone--; lane[1]?k; k = 0 }
    :: atomic { gone > 0 && nempty(lane[5]) -> gone--; lane[5]?k; k = 0 }
    :: atomic { restores > 0 && !hasBackup -> hasBackup = true;
        backupHas[1] = has[1]; backupClock[1] = clock[1]; backupRun[1] = runOf[1]; backupNext[1] = next[1] }
    :: atomic { restores > 0 && hasBackup -> restores--; hasBackup = false;
        has[1] = backupHas[1]; clock[1] = backupClock[1];
#ifdef MUTATION_SAME_RUN
        runOf[1] = backupRun[1]; next[1] = backupNext[1];
#else
        runOf[1] = 0; next[1] = 0;
#endif
        backupHas[1] = 0; backupClock[1] = 0; backupRun[1] = 0; backupNext[1] = 0 }
    /* marks: whoever lacks what another has is sent it, once nothing is under way between them */
#ifndef MUTATION_NO_MARKS
    :: atomic { QUIET && !SAME && !isCut[0] && !isCut[1] && !isCut[2] ->
        i = 0;
        do
        :: i < 3 ->
            j = 0;
            do
            :: j < 3 ->
                k = 0;
                do
                :: k < CHANGES ->
                    if :: IN(has[i], k) && !IN(has[j], k) && len(lane[3 * i + j]) < CHANGES -> lane[3 * i + j]!k :: else fi;
                    k++
                :: else -> break
                od;
                j++
            :: else -> break
            od;
            i++
        :: else -> break
        od;
        i = 0; j = 0; k = 0 }
#endif
    /* rest: nothing can come any more, and the three are compared */
    :: atomic { written == CHANGES && QUIET && !isCut[0] && !isCut[1] && !isCut[2] && HEALED -> break }
    od;
    atomic {
        /* convergence, and nothing lost that was not lost with a disk */
        assert(SAME);
#if RESTORES == 0
        assert(has[0] == FULL);
#endif
        /* the removal wins: whoever was banned, in vain for nobody, is not made a member by who did not know */
        fold(has[0]);
        k = 0;
        do
        :: k < CHANGES ->
            s = 0;
            do
            :: s < CHANGES ->
                assert(!(IN(stands, k) && IN(stands, s) && what[s] == banD && what[k] == grantD && !IN(seen[k], s) && stamp[s] < stamp[k]));
                s++
            :: else -> break
            od;
            k++
        :: else -> break
        od;
#ifdef WITNESS_LOST
        /* a change that was taken over has lost */
        assert(stands == has[0]);
#endif
#ifdef WITNESS_REST
        assert(false);
#endif
    }
}
