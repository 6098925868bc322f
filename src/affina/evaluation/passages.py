"""The same everyday passage in six languages, written for Affina: what a tokenizer's pieces are compared on.

This module holds texts and no rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PASSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "English": (
            "Yesterday morning my sister went to the market because she wanted to buy fresh bread and some"
            " apples for the children. The weather was cold, but the sun was already high and many people were"
            " in the street. On the way back she met an old friend who works at the hospital, and they talked"
            " about their families for a long time. When she finally came home, the letter that we had been"
            " waiting for was lying on the table. It said that the new house would be ready in the summer, and"
            " that nobody had to pay anything before then."
        ),
        "Italian": (
            "Ieri mattina mia sorella è andata al mercato perché voleva comprare del pane fresco e delle mele"
            " per i bambini. Faceva freddo, ma il sole era già alto e molte persone erano in strada. Tornando ha"
            " incontrato un vecchio amico che lavora in ospedale, e hanno parlato a lungo delle loro famiglie."
            " Quando finalmente è arrivata a casa, la lettera che aspettavamo era sul tavolo. Diceva che la"
            " nuova casa sarebbe stata pronta in estate, e che nessuno doveva pagare nulla prima di allora."
        ),
        "German": (
            "Gestern Morgen ging meine Schwester auf den Markt, weil sie frisches Brot und einige Äpfel für die"
            " Kinder kaufen wollte. Es war kalt, aber die Sonne stand schon hoch und viele Leute waren auf der"
            " Straße. Auf dem Rückweg traf sie einen alten Freund, der im Krankenhaus arbeitet, und sie sprachen"
            " lange über ihre Familien. Als sie endlich nach Hause kam, lag der Brief, auf den wir gewartet"
            " hatten, auf dem Tisch. Darin stand, dass das neue Haus im Sommer fertig wird und dass niemand"
            " vorher etwas bezahlen muss."
        ),
        "French": (
            "Hier matin, ma sœur est allée au marché parce qu'elle voulait acheter du pain frais et des pommes"
            " pour les enfants. Il faisait froid, mais le soleil était déjà haut et beaucoup de gens étaient"
            " dans la rue. En revenant, elle a rencontré un vieil ami qui travaille à l'hôpital, et ils ont"
            " parlé longtemps de leurs familles. Quand elle est enfin rentrée à la maison, la lettre que nous"
            " attendions était sur la table. Elle disait que la nouvelle maison serait prête en été, et que"
            " personne ne devait rien payer avant."
        ),
        "Spanish": (
            "Ayer por la mañana mi hermana fue al mercado porque quería comprar pan fresco y unas manzanas para"
            " los niños. Hacía frío, pero el sol ya estaba alto y había mucha gente en la calle. De vuelta"
            " encontró a un viejo amigo que trabaja en el hospital, y hablaron mucho tiempo de sus familias."
            " Cuando por fin llegó a casa, la carta que esperábamos estaba sobre la mesa. Decía que la nueva"
            " casa estaría lista en verano, y que nadie tenía que pagar nada antes."
        ),
        "Portuguese": (
            "Ontem de manhã a minha irmã foi ao mercado porque queria comprar pão fresco e umas maçãs para as"
            " crianças. Estava frio, mas o sol já ia alto e havia muita gente na rua. No caminho de volta"
            " encontrou um velho amigo que trabalha no hospital, e falaram muito tempo sobre as suas famílias."
            " Quando finalmente chegou a casa, a carta que esperávamos estava em cima da mesa. Dizia que a nova"
            " casa ficaria pronta no verão, e que ninguém tinha de pagar nada antes disso."
        ),
    }
)
